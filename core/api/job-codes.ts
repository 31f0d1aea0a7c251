/**
 * Codes that a job's `error` may carry beside those of the source site (adapters/wordpress/site-errors.ts), with what the
 * caller can do. docs/errors.md is generated from this; a test holds it against the codes that the sources name.
 */
export const JOB_CODES: Readonly<Record<string, string>> = {
	// The engine.
	cancelled: 'The job was cancelled. Ask again if that was a mistake.',
	deadline_exceeded: 'The job took longer than it is given. Try again when the source is less busy; a smaller site needs less.',
	internal: 'Something went wrong on our side. Try again; if it fails again, report the job id.',
	step_timed_out: 'One step took longer than it is given. Try again later.',
	worker_crashed: 'The job ended its worker several times and was given up. Report the job id.',
	secrets_erased: 'The job had ended already, and its passwords with it. Ask for a new one.',
	seal_broken: 'A stored secret cannot be opened: the key file is not the one it was sealed with. Restore the key, or ask again.',

	// The clone and its host.
	clone_busy: 'The clone was being changed by several requests at once. Try again.',
	clone_lost: 'The clone ended before it was ready. Ask for a new one.',
	clone_not_live: 'Only a live clone can be changed. Ask for a new one.',
	ttl_in_the_past: 'The clone has been up for longer than that. Give a longer time, or delete it.',
	database_not_available: 'This host has no MySQL. Use "sqlite".',
	disk_full: 'The disk of the clone is full. Free some space on the host, or clone a smaller site.',
	slot_not_started: "The clone's process did not start. Look at the service's log.",
	stopped: 'The service was stopped while it made the clone; it goes on at the next start.',

	// The import.
	agent_gone: 'The source no longer knows the key of this job: the plugin was removed there. Ask again.',
	agent_unauthorized: 'The agent no longer knows the key of this job. Ask again.',
	bad_arguments: 'Our own request was refused by the agent. Report the job id.',
	bad_request: 'Our own request to the clone was refused. Report the job id.',
	bad_site_url: 'The source names an address of its own that is none. Correct its address in Settings → General.',
	clock_skew: "The clock of one side is more than a minute off. Set the server's clock.",
	import_crashed: 'The import ended in the middle several times. Try again; if it fails again, report the job id.',
	import_failed: 'The import failed without saying why. Report the job id.',
	multisite: 'The source is a multisite network, which cannot be cloned yet.',
	no_transport: 'The clone has no way to fetch: neither its host nor cURL. Report it.',
	site_incomplete: 'The source lacks tables that every WordPress has. Repair it first.',
	site_too_large: 'The source is larger than the limit. Remove what is not needed, or raise the limit.',
	slot_damaged: 'Files of the clone are missing or damaged. Ask for a new one.',
	source_changing: 'Files of the source kept changing while they were read. Try again when it is less busy.',
	source_failed: "The source's agent failed. Look at the PHP error log of the source, then try again.",
	source_rate_limited: 'The source limits how often it may be asked. Let this service through its firewall, or try again later.',
	switch_failed: 'The imported site could not be put in place. Try again.',
	table_prefix_unsupported: 'The table prefix of the source has other characters than letters, digits and underscores.',
	table_refused: 'A table of the source cannot be made on the clone.',
	unsafe_path: 'The source sent a file name that leads out of its folder. It may be compromised: look into it.',
	unsupported_protocol: 'The plugin on the source is of another version. Update it.',
};

/** Faults of the service's own surroundings: said at start or in its log, never a job's error. */
export const OPERATOR_CODES: Readonly<Record<string, string>> = {
	bad_agent_key: 'A key that we made is not one. Report it.',
	bad_owner_name: "An owner's name has letters, digits, dots, dashes and underscores only.",
	bad_slot_id: 'A slot has a name that we would not give. Report it.',
	data_in_use: 'Another service runs on this data folder. Stop it, or name another with --data.',
	integrity_mismatch: 'The package from the registry is not the one that was pinned. Look at the registry or proxy in use.',
	job_id_taken: 'Two jobs were given one id. Send the request again.',
	lease_lost: 'Another worker took the job over; it goes on there.',
	lease_not_renewed: 'The store did not renew a lease in time; the job goes on elsewhere.',
	npm_failed: 'npm could not fetch WordPress. Its own words are in the message.',
	npm_missing: 'npm is not on the PATH.',
	registry_unreachable: 'The npm registry cannot be reached. Look at the network or the proxy settings of npm.',
	store_busy: 'Another process holds the database. Stop it.',
	store_corrupt: 'The database file is damaged. Stop the service and restore it from a backup.',
	store_full: "The disk of the service's data is full. Free some space.",
	store_io: "The disk of the service's data reports errors. Look at its log.",
	store_newer: 'The database was written by a newer version. Update the service.',
	store_readonly: "The database cannot be written. Look at the file's owner and mode.",
	store_unopenable: 'The database cannot be opened. Look at its folder.',
	tar_missing: 'tar is not on the PATH.',
	template_failed: 'WordPress could not be installed for the first time. Remove the cache folder and try again.',
	token_file_broken: 'A token file is not one. Remove it and make a new token.',
	token_file_unsafe: 'A token file can be read by others. Set its mode to 0600.',
	unpack_failed: 'The package of WordPress could not be unpacked. Remove the cache folder and try again.',
};
