/**
 * The schema, one entry a version (`PRAGMA user_version`): entry n brings version n to n + 1. Entries are only ever added.
 * Times are milliseconds since the epoch; columns that end in `_json` hold JSON.
 */
export const SCHEMA: readonly string[] = [
	`
CREATE TABLE jobs (
	job_id TEXT PRIMARY KEY,
	owner TEXT NOT NULL,
	type TEXT NOT NULL,
	status TEXT NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
	progress REAL NOT NULL,
	status_message TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	completed_at INTEGER,
	estimated_completion INTEGER,
	input_json TEXT NOT NULL,
	sealed_input TEXT,
	result_json TEXT NOT NULL,
	sealed_result TEXT,
	error_json TEXT,
	clone_id TEXT,
	deadline INTEGER NOT NULL,
	run_at INTEGER NOT NULL,
	step TEXT,
	attempt INTEGER NOT NULL,
	outputs_json TEXT NOT NULL,
	undoing_json TEXT,
	cancel_requested INTEGER NOT NULL,
	fence INTEGER NOT NULL,
	lease_holder TEXT,
	lease_until INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_by_owner ON jobs (owner, created_at DESC, job_id DESC);
CREATE INDEX jobs_due ON jobs (run_at) WHERE status IN ('pending', 'running');
CREATE INDEX jobs_by_status ON jobs (status);

CREATE TABLE idempotency (
	owner TEXT NOT NULL,
	key_hash TEXT NOT NULL,
	body_hash TEXT NOT NULL,
	job_id TEXT NOT NULL,
	PRIMARY KEY (owner, key_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE clones (
	clone_id TEXT PRIMARY KEY,
	owner TEXT NOT NULL,
	job_id TEXT NOT NULL,
	state TEXT NOT NULL CHECK (state IN ('provisioning', 'live', 'deleting', 'deleted')),
	generation INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	ttl_minutes INTEGER NOT NULL,
	expires_at INTEGER,
	slot_id TEXT,
	url TEXT,
	source_url TEXT NOT NULL,
	facts_json TEXT NOT NULL
) STRICT;
CREATE INDEX clones_by_owner ON clones (owner, created_at DESC, clone_id DESC) WHERE state <> 'deleted';
CREATE INDEX clones_expiring ON clones (expires_at) WHERE state = 'live';
CREATE INDEX clones_not_deleted ON clones (clone_id) WHERE state <> 'deleted';

CREATE TABLE slots (
	slot_id TEXT PRIMARY KEY,
	state TEXT NOT NULL CHECK (state IN ('booting', 'warm', 'claimed')),
	job_id TEXT,
	endpoint_json TEXT,
	agent_key_sealed TEXT NOT NULL,
	php_version TEXT,
	wp_version TEXT,
	created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX slots_by_job ON slots (job_id) WHERE job_id IS NOT NULL;

CREATE TABLE messages (
	message_id INTEGER PRIMARY KEY,
	job_id TEXT NOT NULL,
	visible_at INTEGER NOT NULL,
	receipt TEXT UNIQUE,
	receive_count INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_visible ON messages (visible_at);

CREATE TABLE schedules (
	name TEXT PRIMARY KEY,
	at INTEGER NOT NULL,
	job_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (at);
`,
	// What is over is removed after a while. Rows of clones that were deleted before this version count from now.
	`
ALTER TABLE clones ADD COLUMN deleted_at INTEGER;
UPDATE clones SET deleted_at = unixepoch() * 1000 WHERE state = 'deleted';
CREATE INDEX clones_deleted ON clones (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX idempotency_by_job ON idempotency (job_id);
`,
];
