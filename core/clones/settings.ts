/** What the clone jobs can be told; the entry point decides. */
export interface CloneSettings {
	/** From acceptance to the end of a clone job, seconds. Bounds the slot too until the clone is usable. */
	readonly jobDeadlineSeconds: number;
	/** How long after `expires_at` the host's own deadline stands: time for the orderly deletion to go first, seconds. */
	readonly hostGraceSeconds: number;
	/** Largest source, database and files together, bytes. */
	readonly maxSiteBytes: number;
	/** PHP versions that the host has, e.g. `['7.4', '8.4']`; the last is the one that warm slots run. */
	readonly phpVersions: readonly string[];
	readonly warmPhp: string;
	/** A warm slot's own deadline, renewed while the service lives, seconds. */
	readonly warmDeadlineSeconds: number;
}

export const DEFAULT_CLONE_SETTINGS: CloneSettings = {
	jobDeadlineSeconds: 3600,
	hostGraceSeconds: 30,
	maxSiteBytes: 20 * 1024 ** 3,
	phpVersions: ['7.4', '8.2', '8.4', '8.5'],
	warmPhp: '8.4',
	warmDeadlineSeconds: 6 * 3600,
};

/**
 * The PHP to run a source on: the same minor version, else the next newer one at hand (a site that runs on 8.1 more
 * often runs on 8.2 than on 7.4), else the newest.
 * @param wanted e.g. `8.1.29`
 */
export function nearestPhp<Version extends string>(available: readonly Version[], wanted: string): Version {
	const order = (version: string): number => {
		const [major = '0', minor = '0'] = version.split('.');
		return Number(major) * 100 + Number(minor);
	};
	const sorted = [...available].sort((a, b) => order(a) - order(b));
	const found = sorted.find((version) => order(version) >= order(wanted)) ?? sorted.at(-1);
	if (found === undefined) throw new RangeError('A host without any PHP version was configured.');
	return found;
}
