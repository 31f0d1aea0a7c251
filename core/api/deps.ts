import type { CloneControl } from '../clones/clone-control.ts';
import type { Clock, CloneStore, JobQueue, JobStore, Random, SecretBox, Telemetry } from '../ports.ts';
import type { ApiFeatures } from './request-schemas.ts';

/** Says whether a caller may ask for one more clone now. Embedded: rate-limit.ts. */
export interface RateLimiter {
	/** Takes one request from the owner's budget. @returns null when there was one, else the seconds to wait. */
	take(owner: string): Promise<number | null>;
}

export interface ApiSettings {
	/** Shown by /health and openapi.json. */
	readonly version: string;
	/** The service's own address without a trailing slash, for status_url; null: as the caller addressed it. */
	readonly publicUrl: string | null;
	readonly features: ApiFeatures;
	/** Sources at private addresses too (one-machine use). */
	readonly allowPrivateSites: boolean;
	/** A clone job must end within this time of being accepted, seconds. */
	readonly cloneDeadlineSeconds: number;
	/** A first guess at how long a clone takes, for estimated_completion, seconds; null: none. */
	readonly cloneExpectedSeconds: number | null;
	/** Clones that one owner may have at a time; null: no limit, and no read of the store to find out. */
	readonly liveClonesPerOwner: number | null;
	/** How long a v1 request waits for its job, and how often it looks, seconds. */
	readonly legacyWaitSeconds: number;
	readonly legacyPollSeconds: number;
}

export const DEFAULT_API_SETTINGS: ApiSettings = {
	version: '0.1.0',
	publicUrl: null,
	features: { mysql: false, callbacks: false, publicClones: false },
	allowPrivateSites: false,
	cloneDeadlineSeconds: 3600,
	cloneExpectedSeconds: 60,
	liveClonesPerOwner: 50,
	legacyWaitSeconds: 25,
	legacyPollSeconds: 0.5,
};

/** Everything that the API's use cases need. */
export interface ApiDeps {
	readonly jobs: JobStore;
	readonly clones: CloneStore;
	readonly queue: JobQueue;
	readonly secrets: SecretBox;
	readonly control: CloneControl;
	readonly limiter: RateLimiter;
	readonly clock: Clock;
	readonly random: Random;
	readonly telemetry: Telemetry;
	/** Waits; only the v1 routes do. */
	readonly delay: (milliseconds: number) => Promise<void>;
	readonly settings: ApiSettings;
}
