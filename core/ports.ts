/**
 * The ports: everything the core needs from outside. Each has one contract suite in test/contracts/, run over every
 * adapter. Nothing in here names a database, a cloud or a container.
 */
import type { Clone, Slot, SlotState } from './clones/clone.ts';
import type { ErrorInfo } from './errors.ts';
import type { Job, JobStatus, Json, Millis } from './jobs/job.ts';

export interface Clock {
	/** Milliseconds since the epoch. */
	now(): Millis;
}

export interface Random {
	/** `n` lower-case hex digits from a cryptographic source. */
	hex(n: number): string;
	/** A number in [0, 1), for jitter. */
	fraction(): number;
}

/** What a job is accepted with. One conditional write: all of it, or nothing. */
export interface AcceptJob {
	readonly job: Job;
	/** Present when the caller sent an Idempotency-Key. `body_hash` is hex SHA-256 of the canonical request. */
	readonly idempotency: { readonly key_hash: string; readonly body_hash: string } | null;
	/** Present for a clone job: the clone row, whose id must be free among live clones (also another owner's). */
	readonly clone: Clone | null;
}

export type AcceptResult =
	| { readonly outcome: 'accepted' }
	/** Same owner, key and body before: the earlier job. */
	| { readonly outcome: 'duplicate'; readonly job: Job }
	/** Same owner and key, another body. */
	| { readonly outcome: 'idempotency_conflict' }
	| { readonly outcome: 'clone_id_taken' };

export interface Page<T> {
	readonly items: readonly T[];
	/** Opaque; null on the last page. */
	readonly next_cursor: string | null;
}

/** The fields a worker may change. `status` must not leave a terminal state; `progress` must not go down (the store keeps the larger). */
export type JobPatch = Partial<
	Pick<
		Job,
		| 'status'
		| 'progress'
		| 'status_message'
		| 'completed_at'
		| 'estimated_completion'
		| 'result'
		| 'sealed_input'
		| 'sealed_result'
		| 'error'
		| 'run_at'
		| 'step'
		| 'attempt'
		| 'outputs'
		| 'undoing'
	>
>;

export interface JobStore {
	/** One transaction. */
	accept(request: AcceptJob): Promise<AcceptResult>;
	get(jobId: string): Promise<Job | undefined>;
	/** Newest first. @throws PermanentError `bad_cursor` */
	list(owner: string, page: { limit: number; cursor: string | null }): Promise<Page<Job>>;
	/**
	 * Takes the lease if nobody holds an unexpired one and the job is not terminal; raises `fence` by one.
	 * @returns the job as leased, or undefined when it is held, terminal or unknown.
	 */
	lease(jobId: string, lease: { holder: string; now: Millis; until: Millis }): Promise<Job | undefined>;
	/**
	 * Writes `patch`, conditional on `fence` and on the job not being terminal; `lease_until` extends the lease in the
	 * same write, `release` gives it up.
	 * @throws LeaseLostError when the fence is stale or the job is terminal.
	 * @returns the job as it is now (so that a worker sees `cancel_requested`).
	 */
	save(jobId: string, fence: number, patch: JobPatch, lease: { now: Millis; until: Millis } | { now: Millis; release: true }): Promise<Job>;
	/** Sets `cancel_requested` and makes the job due now. No effect on a terminal job. @returns the job, undefined when unknown. */
	requestCancel(jobId: string, now: Millis): Promise<Job | undefined>;
	/** Jobs not terminal, whose `run_at` is before `before` and whose lease (if any) ended before `before`, oldest first. */
	overdue(before: Millis, limit: number): Promise<readonly Job[]>;
	/** Erases `sealed_result` of a finished job (its clone is gone). */
	eraseSealedResult(jobId: string): Promise<void>;
	countByStatus(): Promise<Readonly<Record<JobStatus, number>>>;
}

export interface CloneStore {
	get(cloneId: string): Promise<Clone | undefined>;
	/** Live clones of an owner (not `deleted`), newest first. @throws PermanentError `bad_cursor` */
	list(owner: string, page: { limit: number; cursor: string | null }): Promise<Page<Clone>>;
	/**
	 * Compare-and-set: writes `patch` if the clone's `generation` is still the given one, and raises it.
	 * @returns the clone as written, or undefined when it changed meanwhile or is unknown.
	 */
	update(cloneId: string, generation: number, patch: Partial<Omit<Clone, 'clone_id' | 'generation'>>): Promise<Clone | undefined>;
	/** Clones in state `live` with `expires_at` ≤ `now`, oldest first. */
	expired(now: Millis, limit: number): Promise<readonly Clone[]>;
	/** Every clone that is not `deleted` (for the sweep's orphan check), paged. */
	allLive(cursor: string | null, limit: number): Promise<Page<Clone>>;

	putSlot(slot: Slot): Promise<void>;
	getSlot(slotId: string): Promise<Slot | undefined>;
	/** Moves a slot between states if it is still in `from`. @returns whether it was. */
	moveSlot(slotId: string, from: SlotState, to: SlotState, patch?: Partial<Pick<Slot, 'endpoint' | 'agent_key_sealed'>>): Promise<boolean>;
	/**
	 * Claims one warm slot for a job: one conditional write, one winner. Calling it again for the same job returns the
	 * same slot. @returns undefined when none is warm.
	 */
	claimWarm(jobId: string): Promise<Slot | undefined>;
	slots(): Promise<readonly Slot[]>;
	removeSlot(slotId: string): Promise<void>;
}

/** A queue of job ids, at least once, in no particular order. */
export interface JobQueue {
	/** @param delaySeconds 0–900 */
	send(jobId: string, delaySeconds?: number): Promise<void>;
}

/** The consuming half, for pollers (the embedded worker loop, the EKS consumer). Lambda gets messages from its event source instead. */
export interface JobQueueConsumer {
	/** Up to `max` messages, each invisible to others for `visibilitySeconds`. An empty list when there is none. */
	receive(max: number, visibilitySeconds: number): Promise<readonly QueueMessage[]>;
	/** Acknowledges: the message is gone. Acknowledging one that timed out and was received again has no effect on the newer receipt. */
	acknowledge(message: QueueMessage): Promise<void>;
	/** Makes it visible again after `delaySeconds`. */
	release(message: QueueMessage, delaySeconds: number): Promise<void>;
	/** How many messages wait (visible or delayed). */
	depth(): Promise<number>;
}

export interface QueueMessage {
	readonly job_id: string;
	readonly receipt: string;
	/** 1 at the first delivery. */
	readonly receive_count: number;
}

/** Fires a job id into the queue at a time. One schedule a name; setting it again replaces it. */
export interface TtlSchedule {
	set(name: string, at: Millis, jobId: string): Promise<void>;
	/** No error when there is none. */
	cancel(name: string): Promise<void>;
}

/** Seals small secrets to a context: opening with another context fails. */
export interface SecretBox {
	seal(plain: string, context: Readonly<Record<string, string>>): Promise<string>;
	/** @throws SealError */
	open(sealed: string, context: Readonly<Record<string, string>>): Promise<string>;
}

/** How to reach a clone's agent. */
export interface CloneEndpoint {
	/** The clone's public address, without a trailing slash, e.g. `http://127.0.0.1:41001`. */
	readonly url: string;
	/** An opaque reference the host understands (a process, a Kubernetes Job). */
	readonly ref: string;
}

export interface SlotSpec {
	readonly slot_id: string;
	/** Base64 of 32 bytes: what signs calls to the clone's agent. */
	readonly agent_key: string;
	/** The host itself ends the clone then, whatever else is dead. */
	readonly deadline: Millis;
	/** e.g. `8.4`; the host takes the nearest it has. */
	readonly php_version: string | null;
	/** The clone's own MySQL database; null: SQLite, in its own folder. */
	readonly database: DatabaseConnection | null;
}

/** A clone's own database on a shared MySQL or MariaDB, and what opens it. Holds a password: never logged, never shown. */
export interface DatabaseConnection {
	readonly host: string;
	readonly port: number;
	readonly name: string;
	readonly user: string;
	readonly password: string;
	/** Whether the server refuses this user without TLS. */
	readonly tls: boolean;
}

/** Databases of clones: one slot = one database and one user that can reach nothing else. */
export interface CloneDatabases {
	/**
	 * Makes the slot's database and user unless they are there, and sets a new password: whatever knew the one before is
	 * locked out. What is in the database stays. @throws PermanentError, TransientError `database_…`
	 */
	create(slotId: string): Promise<DatabaseConnection>;
	/** Ends its connections, drops user and database. Idempotent. @throws TransientError */
	drop(slotId: string): Promise<void>;
	/** Slots of which a database or a user is there. */
	list(): Promise<readonly string[]>;
}

export type SlotStatus =
	/** `waiting`: why it takes longer than a start takes, for people. */
	| { readonly state: 'starting'; readonly waiting?: ErrorInfo /** As below. */; readonly outdated?: boolean }
	| {
			readonly state: 'ready';
			readonly endpoint: CloneEndpoint;
			readonly php_version: string;
			readonly wp_version: string;
			/** The host's own deadline, where it is known without asking further. */
			readonly deadline?: Millis;
			/** Made from an older image, or other settings, than a slot that is started now. */
			readonly outdated?: boolean;
	  }
	/** Ended, by whatever means; `reason` in words. `code`: what a job that waited for it fails with, when not `clone_lost`. */
	| { readonly state: 'gone'; readonly reason: string; readonly code?: string };

/** What a host has, without looking at each. */
export interface HostedSlot {
	readonly slot_id: string;
	/** Known to run and to answer. When false, `status` has to be asked what it is. */
	readonly ready: boolean;
}

/** The way to a slot by its clone's name. */
export interface SlotRoute {
	readonly endpoint: CloneEndpoint;
	/** Whether it is known to lead to the slot already; it may take a moment. Ask again until then. */
	readonly reached: boolean;
}

/** Runs clones: one slot = one WordPress with the agent, booted and empty until it is told to import. */
export interface CloneHost {
	/** Starts a slot. Idempotent by `slot_id`. Returns at once; `status` says when it is ready. */
	start(spec: SlotSpec): Promise<void>;
	status(slotId: string): Promise<SlotStatus>;
	/** Moves the host's own deadline. @returns false when the slot is gone. */
	extend(slotId: string, deadline: Millis): Promise<boolean>;
	/** Ends it and removes everything it had. Idempotent. Resolves when it is gone. */
	remove(slotId: string): Promise<void>;
	/**
	 * Gives a ready slot a second address, by its clone's name, where this host has names; elsewhere the answer is the
	 * slot's own address. Idempotent; the slot's own address stays. Gone with the slot.
	 * @param name a DNS label of at most 40 characters, unique among live clones; never a slot's id
	 * @returns undefined when the slot is gone
	 */
	route(slotId: string, name: string): Promise<SlotRoute | undefined>;
	/** Everything on this host, running or left over. */
	list(): Promise<readonly HostedSlot[]>;
}

export interface SourceCredentials {
	readonly username: string;
	/** The account's password, or an application password. */
	readonly password: string;
}

/** A connected source: the agent is there and knows the job's key. No secret in it but `agent_key`, which is sealed by the caller. */
export interface SourceConnection {
	/** Where the agent listens. */
	readonly agent_url: string;
	/** The site's address after redirects, no trailing slash. */
	readonly site_url: string;
	/** Whether we put the agent there (and so remove it). */
	readonly uploaded: boolean;
}

/** A WordPress that we reach from outside, with an administrator's credentials. */
export interface Site {
	/**
	 * Brings the agent to the site (found, or uploaded through wp-admin) and registers the job's key with it. Idempotent:
	 * called again with the same arguments it finds its own earlier work.
	 * @throws PermanentError with a code of docs/errors.md; TransientError when the site did not answer.
	 */
	connect(request: {
		readonly url: string;
		readonly credentials: SourceCredentials;
		readonly job_id: string;
		/** Base64 of 32 bytes. */
		readonly agent_key: string;
		readonly expires_at: Millis;
	}): Promise<SourceConnection>;
	/**
	 * Takes the agent away again (if we brought it) or only its job key. Idempotent; works with the key alone when the
	 * password is gone or refused. @throws TransientError when the site did not answer.
	 */
	disconnect(request: {
		readonly connection: SourceConnection;
		readonly job_id: string;
		readonly agent_key: string;
		readonly credentials: SourceCredentials | null;
	}): Promise<void>;
	/** Removes whatever an interrupted `connect` may have left, when no connection is known. Best effort by credentials. */
	cleanUp(request: {
		readonly url: string;
		readonly credentials: SourceCredentials;
		readonly job_id: string;
		readonly agent_key: string;
	}): Promise<void>;
}

/** One signed call to an agent (protocol: docs/migrator-protocol.md). */
export interface AgentTarget {
	readonly agent_url: string;
	/** The id the key was registered under: a job id on a source, the slot id on a clone. */
	readonly key_id: string;
	readonly agent_key: string;
}

export interface AgentClient {
	/** @throws PermanentError, TransientError by the agent's own code or the transport's fault. */
	call(target: AgentTarget, verb: string, args: Json): Promise<Json>;
}

export interface Telemetry {
	log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>): void;
	/** Adds one observation to a metric. */
	metric(name: string, value: number, unit: 'count' | 'seconds' | 'bytes', dimensions?: Readonly<Record<string, string>>): void;
}
