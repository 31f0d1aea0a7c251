/**
 * The clone job: prepare → connect → preflight → claim → boot → import → release → publish.
 *
 * Gotchas: secrets (the source's job key, the clone's password) exist before the first outside effect and are kept
 * sealed in the outputs, so that an interrupted step can be undone with them. `claim` records the slot before the host
 * hears of it. `publish` is last: a clone's time counts from the moment it is usable.
 */
import * as z from 'zod';
import { PermanentError, TransientError } from '../errors.ts';
import type { Job, Json } from '../jobs/job.ts';
import { done, type Finished, type JobDefinition, type Step, type StepContext, wait } from '../jobs/step.ts';
import type {
	AgentClient,
	JobQueue,
	JobStore,
	Site,
	SlotRoute,
	SourceConnection,
	SourceCredentials,
	Telemetry,
	TtlSchedule,
} from '../ports.ts';
import { importStatusSchema, loginLinkSchema, type Preflight, parseAnswer, preflightSchema } from './agent-answers.ts';
import type { Clone } from './clone.ts';
import { scheduleDeletion, unscheduleDeletion } from './delete-job.ts';
import { type CloneSettings, nearestPhp } from './settings.ts';
import { newKey, removeSlot, type SlotDeps, slotAgent, startSlot } from './slots.ts';

export interface CloneJobDeps extends SlotDeps {
	readonly jobs: JobStore;
	readonly queue: JobQueue;
	readonly site: Site;
	/** To sources: any address that the policy allows. */
	readonly sourceAgents: AgentClient;
	/** To clones: only addresses that the host gave. */
	readonly cloneAgents: AgentClient;
	readonly ttl: TtlSchedule;
	readonly telemetry: Telemetry;
	readonly settings: CloneSettings;
}

/** The validated request, as the API use case stores it in the job's `input`. */
export const cloneInputSchema = z.looseObject({
	clone_id: z.string(),
	source_url: z.string(),
	source_username: z.string(),
	ttl_minutes: z.number(),
	database: z.enum(['sqlite', 'mysql']).default('sqlite'),
	access: z.enum(['login', 'public']).default('login'),
	allow_hosts: z.array(z.string()).default([]),
});
type CloneInput = z.infer<typeof cloneInputSchema>;
const secretsSchema = z.looseObject({ source_password: z.string() });

const preparedSchema = z.object({ source_key: z.string(), password: z.string(), username: z.string() });
const connectionSchema = z.object({ agent_url: z.string(), site_url: z.string(), uploaded: z.boolean() });
const claimSchema = z.object({ slot_id: z.string(), warm: z.boolean(), php: z.string() });
/** `url`: the slot's own address, for its agent. `public_url`: the clone's. */
const bootSchema = z.object({ url: z.string(), public_url: z.string(), ref: z.string(), php_version: z.string(), wp_version: z.string() });

/** Ends of `connect` after which another try to clean up would find the same closed door. */
const NO_WAY_IN: ReadonlySet<string> = new Set([
	'not_wordpress',
	'source_not_allowed',
	'host_not_found',
	'tls_invalid',
	'login_refused',
	'login_hidden',
	'login_challenged',
	'http_auth_required',
	'not_administrator',
]);

export function cloneJob(deps: CloneJobDeps): JobDefinition {
	const input = (context: StepContext): CloneInput => cloneInputSchema.parse(context.job.input);

	const credentials = async (context: StepContext): Promise<SourceCredentials> => ({
		username: input(context).source_username,
		password: secretsSchema.parse(await context.secrets()).source_password,
	});

	const prepared = async (context: StepContext): Promise<z.infer<typeof preparedSchema>> =>
		openPrepared(context, z.string().parse(context.output('prepare')));

	const openPrepared = async (context: StepContext, sealed: string): Promise<z.infer<typeof preparedSchema>> =>
		preparedSchema.parse(JSON.parse(await deps.secrets.open(sealed, { job_id: context.job.job_id, use: 'clone' })));

	/** Compare-and-set with the newest generation; a clone row that is gone is a bug or a wiped store. */
	const updateClone = async (cloneId: string, patch: Partial<Omit<Clone, 'clone_id' | 'generation'>>): Promise<Clone> => {
		for (let attempt = 0; attempt < 5; attempt++) {
			const clone = await deps.clones.get(cloneId);
			if (clone === undefined) throw new PermanentError('clone_lost', 'The clone was lost while it was being made. Ask for a new one.');
			const written = await deps.clones.update(cloneId, clone.generation, patch);
			if (written !== undefined) return written;
		}
		throw new TransientError('clone_busy', 'The clone is being changed by several requests at once.');
	};

	const route = async (context: StepContext, slotId: string): Promise<SlotRoute> => {
		const found = await deps.host.route(slotId, input(context).clone_id);
		if (found === undefined) throw new PermanentError('clone_lost', 'The clone ended before it was ready. Ask for a new one.');
		return found;
	};

	const prepare: Step = {
		name: 'prepare',
		message: 'Preparing',
		weight: 1,
		deadlineSeconds: 60,
		async run(context) {
			const secrets = { source_key: newKey(deps.random), password: deps.random.hex(24), username: 'clone-admin' };
			return done(await deps.secrets.seal(JSON.stringify(secrets), { job_id: context.job.job_id, use: 'clone' }));
		},
	};

	const connect: Step = {
		name: 'connect',
		message: 'Connecting to the source site',
		weight: 15,
		deadlineSeconds: 300,
		async run(context) {
			const connection = await deps.site.connect({
				url: input(context).source_url,
				credentials: await credentials(context),
				job_id: context.job.job_id,
				agent_key: (await prepared(context)).source_key,
				expires_at: context.job.deadline,
			});
			return done({ ...connection });
		},
		async undo(context) {
			const sealed = context.outputOrUndefined('prepare');
			if (sealed === undefined) return done();
			// The release step did it already.
			if (context.outputOrUndefined('release') !== undefined) return done();
			const { source_key } = await openPrepared(context, z.string().parse(sealed));
			const found = context.outputOrUndefined('connect');
			if (found !== undefined) {
				await deps.site.disconnect({
					connection: connectionSchema.parse(found),
					job_id: context.job.job_id,
					agent_key: source_key,
					credentials: await credentials(context),
				});
			} else {
				try {
					await deps.site.cleanUp({
						url: input(context).source_url,
						credentials: await credentials(context),
						job_id: context.job.job_id,
						agent_key: source_key,
					});
				} catch (error) {
					// Where nobody can log in there is nothing of ours, or no way to it; an upload left by an earlier attempt removes itself.
					if (!(error instanceof PermanentError) && !NO_WAY_IN.has(context.job.undoing?.code ?? '')) throw error;
					deps.telemetry.log('warn', 'Could not look for leftovers on the source.', { job_id: context.job.job_id, error });
				}
			}
			return done();
		},
	};

	const preflight: Step = {
		name: 'preflight',
		message: 'Looking at the source site',
		weight: 3,
		deadlineSeconds: 300,
		async run(context) {
			const connection = connectionSchema.parse(context.output('connect'));
			const { source_key } = await prepared(context);
			const answer = await deps.sourceAgents.call(
				{ agent_url: connection.agent_url, key_id: context.job.job_id, agent_key: source_key },
				'preflight',
				{},
			);
			const facts = parseAnswer(preflightSchema, 'preflight', answer);
			refuse(facts, deps.settings);
			return done(JSON.parse(JSON.stringify(facts)) as Json);
		},
	};

	const claim: Step = {
		name: 'claim',
		message: 'Taking a WordPress',
		weight: 2,
		deadlineSeconds: 300,
		async run(context) {
			const { job } = context;
			const facts = preflightSchema.parse(context.output('preflight'));
			const request = input(context);
			const php = nearestPhp(deps.settings.phpVersions, facts.php_version);
			// A clone without a name of its own is at its job's: so is its slot, and needs no second address.
			const coldId = isNamed(job, request) ? `slot-${job.job_id.slice(job.job_id.indexOf('-') + 1)}` : job.job_id;
			// Booted slots run on SQLite: a clone on MySQL always starts cold.
			const fitsWarm = php === deps.settings.warmPhp && request.database === 'sqlite';
			// A cold slot of an earlier attempt is kept to: a job never holds two.
			const earlier = await deps.clones.getSlot(coldId);
			const warm = fitsWarm && earlier === undefined ? await deps.clones.claimWarm(job.job_id) : undefined;
			if (warm !== undefined) {
				await updateClone(request.clone_id, { slot_id: warm.slot_id });
				if (await deps.host.extend(warm.slot_id, job.deadline)) {
					deps.telemetry.metric('claims_warm', 1, 'count');
					return done({ slot_id: warm.slot_id, warm: true, php });
				}
				// It died in the pool: forget it and let the next attempt claim another, or start one.
				await removeSlot(deps, warm.slot_id);
				throw new TransientError('clone_lost', 'The warm WordPress was gone when it was claimed.');
			}
			await updateClone(request.clone_id, { slot_id: coldId });
			await startSlot(deps, {
				slot_id: coldId,
				state: 'claimed',
				job_id: job.job_id,
				deadline: job.deadline,
				php_version: php,
				database: request.database,
			});
			deps.telemetry.metric('claims_cold', 1, 'count');
			return done({ slot_id: coldId, warm: false, php });
		},
		async undo(context) {
			// By the slots' own rows: an interrupted claim has left no output.
			for (const slot of await deps.clones.slots()) {
				if (slot.job_id === context.job.job_id) await removeSlot(deps, slot.slot_id);
			}
			return done();
		},
	};

	const boot: Step = {
		name: 'boot',
		message: 'Waiting for WordPress to start',
		weight: 4,
		deadlineSeconds: 600,
		async run(context) {
			const { slot_id } = claimSchema.parse(context.output('claim'));
			const status = await deps.host.status(slot_id);
			if (status.state === 'gone') {
				if (status.code !== undefined && status.code !== 'clone_lost') throw new PermanentError(status.code, status.reason);
				throw new PermanentError('clone_lost', `The clone ended before it was ready (${status.reason}). Ask for a new one.`);
			}
			if (status.state === 'starting') return wait(status.waiting === undefined ? 0.25 : 2, status.waiting?.message);
			const { php_version, wp_version, endpoint } = status;
			// Leads there by the time the copy is made; `publish` sees to it.
			const named = isNamed(context.job, input(context)) ? await route(context, slot_id) : undefined;
			return done({ ...endpoint, public_url: named?.endpoint.url ?? endpoint.url, php_version, wp_version });
		},
	};

	const importSite: Step = {
		name: 'import',
		message: 'Copying the site',
		weight: 65,
		deadlineSeconds: deps.settings.jobDeadlineSeconds,
		async run(context) {
			const { job } = context;
			const request = input(context);
			const booted = bootSchema.parse(context.output('boot'));
			const { slot_id } = claimSchema.parse(context.output('claim'));
			const connection = connectionSchema.parse(context.output('connect'));
			const facts = preflightSchema.parse(context.output('preflight'));
			const { source_key, password, username } = await prepared(context);
			const agent = await slotAgent(deps, slot_id, booted.url);
			let status = await readStatus(agent);
			if (status.state === 'idle') {
				await deps.cloneAgents.call(agent, 'import_start', {
					source: { agent_url: connection.agent_url, key_id: job.job_id, agent_key: source_key, url: facts.home_url },
					target: { url: booted.public_url },
					job_id: job.job_id,
					admin: { username, password, email: 'clone-admin@clone.invalid' },
					access: request.access,
					allow_hosts: request.allow_hosts,
					limits: { max_bytes: deps.settings.maxSiteBytes },
				});
				status = await readStatus(agent);
			}
			if (status.state === 'failed') {
				const fault = status.error ?? { code: 'import_failed', message: 'The import failed without saying why.' };
				throw new PermanentError(fault.code, fault.message);
			}
			if (status.state !== 'done') {
				// Small sites take a second or two; later it is enough to look in now and then.
				const age = (context.now - job.created_at) / 1000;
				return wait(age < 15 ? 0.25 : age < 120 ? 1 : 5, status.message ?? 'Copying the site', status.progress / 100);
			}
			if (status.proof === null || status.proof === undefined) {
				throw new TransientError('bad_answer', 'The clone says it is done, but gave no proof.');
			}
			return done(JSON.parse(JSON.stringify({ proof: status.proof, facts: status.facts ?? {} })) as Json);

			async function readStatus(target: typeof agent) {
				return parseAnswer(importStatusSchema, 'import_status', await deps.cloneAgents.call(target, 'import_status', {}));
			}
		},
	};

	const release: Step = {
		name: 'release',
		message: 'Leaving the source site as it was',
		weight: 5,
		deadlineSeconds: 300,
		async run(context) {
			const connection: SourceConnection = connectionSchema.parse(context.output('connect'));
			const { source_key } = await prepared(context);
			await deps.site.disconnect({
				connection,
				job_id: context.job.job_id,
				agent_key: source_key,
				credentials: await credentials(context),
			});
			return done({ released: true });
		},
	};

	const publish: Step = {
		name: 'publish',
		message: 'Opening the clone',
		weight: 5,
		deadlineSeconds: 300,
		async run(context) {
			const request = input(context);
			const booted = bootSchema.parse(context.output('boot'));
			const { slot_id, php } = claimSchema.parse(context.output('claim'));
			const facts = preflightSchema.parse(context.output('preflight'));
			if (isNamed(context.job, request) && !(await route(context, slot_id)).reached) {
				return wait(0.25, 'Waiting until the clone is reached by its name');
			}
			const agent = await slotAgent(deps, slot_id, booted.url);
			const link = parseAnswer(loginLinkSchema, 'login_link', await deps.cloneAgents.call(agent, 'login_link', {}));
			const expiresAt = deps.clock.now() + request.ttl_minutes * 60_000;
			if (!(await deps.host.extend(slot_id, expiresAt + deps.settings.hostGraceSeconds * 1000))) {
				throw new PermanentError('clone_lost', 'The clone ended before it was ready. Ask for a new one.');
			}
			await deps.cloneAgents.call(agent, 'set_expiry', { expires_at: Math.floor(expiresAt / 1000) });
			const clone = await updateClone(request.clone_id, {
				state: 'live',
				expires_at: expiresAt,
				url: booted.public_url,
				facts: { wp_version: facts.wp_version, php_version: php, access: request.access },
			});
			await scheduleDeletion(deps, clone);
			const sealed = await deps.secrets.seal(link.url, { job_id: context.job.job_id, use: 'login' });
			return done({ expires_at: expiresAt, login_sealed: sealed });
		},
		async undo(context) {
			const clone = await deps.clones.get(input(context).clone_id);
			if (clone !== undefined && clone.job_id === context.job.job_id) await unscheduleDeletion(deps, clone);
			return done();
		},
	};

	return {
		type: 'clone',
		steps: [prepare, connect, preflight, claim, boot, importSite, release, publish],

		async finish(context): Promise<Finished> {
			const request = input(context);
			const booted = bootSchema.parse(context.output('boot'));
			const facts = preflightSchema.parse(context.output('preflight'));
			const claimed = claimSchema.parse(context.output('claim'));
			const imported = z.looseObject({ proof: z.json(), facts: z.looseObject({}) }).parse(context.output('import'));
			const published = z.object({ expires_at: z.number(), login_sealed: z.string() }).parse(context.output('publish'));
			const { password, username } = await prepared(context);
			const cloneFacts = importStatusSchema.shape.facts.parse(imported.facts) ?? {};
			const warnings = [...(cloneFacts.warnings ?? [])];
			if (!facts.php_version.startsWith(`${claimed.php}.`) && facts.php_version !== claimed.php) {
				warnings.push(`The source runs PHP ${facts.php_version}; the clone runs ${claimed.php}, the nearest at hand.`);
			}
			return {
				status_message: 'The clone is ready',
				result: {
					clone_id: request.clone_id,
					clone_url: booted.public_url,
					username: cloneFacts.username ?? username,
					expires_at: new Date(published.expires_at).toISOString(),
					fidelity: 'full',
					wp_version: facts.wp_version,
					php_version: booted.php_version,
					warm: claimed.warm,
					warnings,
					proof: imported.proof as Json,
				},
				secret_result: {
					password,
					login_url: await deps.secrets.open(published.login_sealed, { job_id: context.job.job_id, use: 'login' }),
				},
			};
		},

		async afterUndo(context) {
			const clone = await deps.clones.get(input(context).clone_id);
			if (clone === undefined || clone.job_id !== context.job.job_id || clone.state === 'deleted') return;
			await updateClone(clone.clone_id, { state: 'deleted', slot_id: null, url: null, expires_at: null });
		},
	};
}

/** Whether the caller chose the clone's name. */
function isNamed(job: Job, request: CloneInput): boolean {
	return request.clone_id !== job.job_id;
}

/** What cannot be cloned, said before anything is made. @throws PermanentError */
function refuse(facts: Preflight, settings: CloneSettings): void {
	if (facts.multisite) {
		throw new PermanentError(
			'multisite_unsupported',
			'The source is a WordPress multisite network, which cannot be cloned yet. Clone a single site, or export the subsite to one.',
		);
	}
	if (facts.plugins_in_content === false || facts.users_table_in_site === false) {
		throw new PermanentError(
			'layout_unsupported',
			facts.users_table_in_site === false
				? 'The source keeps its users in tables of another prefix (CUSTOM_USER_TABLE), so a clone would have none. Such a site cannot be cloned yet.'
				: 'The source keeps its plugins outside of its content folder (WP_PLUGIN_DIR), so a clone would have none. Such a site cannot be cloned yet.',
		);
	}
	if (facts.db_bytes > settings.maxSiteBytes) {
		throw new PermanentError(
			'site_too_large',
			`The source's database alone has ${Math.ceil(facts.db_bytes / 1024 ** 2)} MiB, more than the limit of ${Math.floor(settings.maxSiteBytes / 1024 ** 2)} MiB. Remove what is not needed, or raise the limit.`,
		);
	}
}
