/** The steps of a clone job that deal with the clone itself: a slot is claimed, boots, imports the site and is opened. */
import { PermanentError, TransientError } from '../errors.ts';
import type { Json } from '../jobs/job.ts';
import { done, type Step, type StepContext, wait } from '../jobs/step.ts';
import type { AgentClient, AgentTarget, CloneHost, CloneStore, JobQueue, JobStore, SlotRoute, Telemetry, TtlSchedule } from '../ports.ts';
import { importStatusSchema, loginLinkSchema, parseAnswer } from './agent-answers.ts';
import type { Clone } from './clone.ts';
import { cloneInput, isNamed, madeSecrets, outputOf } from './clone-job-row.ts';
import { scheduleDeletion, unscheduleDeletion } from './delete-job.ts';
import { type CloneSettings, nearestPhp } from './settings.ts';
import { removeSlot, type SlotDeps, slotAgent, startSlot } from './slots.ts';

export interface SlotStepDeps extends SlotDeps {
	readonly jobs: JobStore;
	readonly queue: JobQueue;
	/** To clones: only addresses that the host gave. */
	readonly cloneAgents: AgentClient;
	readonly ttl: TtlSchedule;
	readonly telemetry: Telemetry;
	readonly settings: CloneSettings;
}

export function claim(deps: SlotStepDeps): Step {
	return {
		name: 'claim',
		message: 'Taking a WordPress',
		weight: 2,
		deadlineSeconds: 300,
		async run(context) {
			const { job } = context;
			const facts = outputOf.preflight(context);
			const request = cloneInput(context);
			const php = nearestPhp(deps.settings.phpVersions, facts.php_version);
			// A clone without a name of its own is at its job's: so is its slot, and needs no second address.
			const coldId = isNamed(job, request) ? `slot-${job.job_id.slice(job.job_id.indexOf('-') + 1)}` : job.job_id;
			// Booted slots run on SQLite: a clone on MySQL always starts cold.
			const fitsWarm = php === deps.settings.warmPhp && request.database === 'sqlite';
			// A cold slot of an earlier attempt is kept to: a job never holds two.
			const earlier = await deps.clones.getSlot(coldId);
			const warm = fitsWarm && earlier === undefined ? await deps.clones.claimWarm(job.job_id) : undefined;
			if (warm !== undefined) {
				await updateClone(deps.clones, request.clone_id, { slot_id: warm.slot_id });
				if (await deps.host.extend(warm.slot_id, job.deadline)) {
					deps.telemetry.metric('claims_warm', 1, 'count');
					return done({ slot_id: warm.slot_id, warm: true, php });
				}
				// It died in the pool: forget it and let the next attempt claim another, or start one.
				await removeSlot(deps, warm.slot_id);
				throw new TransientError('clone_lost', 'The warm WordPress was gone when it was claimed.');
			}
			await updateClone(deps.clones, request.clone_id, { slot_id: coldId });
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
}

export function boot(deps: SlotStepDeps): Step {
	return {
		name: 'boot',
		message: 'Waiting for WordPress to start',
		weight: 4,
		deadlineSeconds: 600,
		async run(context) {
			const { slot_id } = outputOf.claim(context);
			const status = await deps.host.status(slot_id);
			if (status.state === 'gone') {
				if (status.code !== undefined && status.code !== 'clone_lost') throw new PermanentError(status.code, status.reason);
				throw new PermanentError('clone_lost', `The clone ended before it was ready (${status.reason}). Ask for a new one.`);
			}
			if (status.state === 'starting') return wait(status.waiting === undefined ? 0.25 : 2, status.waiting?.message);
			const { php_version, wp_version, endpoint } = status;
			// Leads there by the time the copy is made; `publish` sees to it.
			const named = isNamed(context.job, cloneInput(context)) ? await routeTo(deps.host, context, slot_id) : undefined;
			return done({ ...endpoint, public_url: named?.endpoint.url ?? endpoint.url, php_version, wp_version });
		},
	};
}

export function importSite(deps: SlotStepDeps): Step {
	return {
		name: 'import',
		message: 'Copying the site',
		weight: 65,
		deadlineSeconds: deps.settings.jobDeadlineSeconds,
		async run(context) {
			const { job } = context;
			const request = cloneInput(context);
			const booted = outputOf.boot(context);
			const { slot_id } = outputOf.claim(context);
			const connection = outputOf.connect(context);
			const facts = outputOf.preflight(context);
			const { source_key, password, username } = await madeSecrets(deps.secrets, context);
			const agent = await slotAgent(deps, slot_id, booted.url);
			let status = await importStatus(deps.cloneAgents, agent);
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
				status = await importStatus(deps.cloneAgents, agent);
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
		},
	};
}

export function publish(deps: SlotStepDeps): Step {
	return {
		name: 'publish',
		message: 'Opening the clone',
		weight: 5,
		deadlineSeconds: 300,
		async run(context) {
			const request = cloneInput(context);
			const booted = outputOf.boot(context);
			const { slot_id, php } = outputOf.claim(context);
			const facts = outputOf.preflight(context);
			if (isNamed(context.job, request) && !(await routeTo(deps.host, context, slot_id)).reached) {
				return wait(0.25, 'Waiting until the clone is reached by its name');
			}
			const agent = await slotAgent(deps, slot_id, booted.url);
			const link = parseAnswer(loginLinkSchema, 'login_link', await deps.cloneAgents.call(agent, 'login_link', {}));
			const expiresAt = deps.clock.now() + request.ttl_minutes * 60_000;
			if (!(await deps.host.extend(slot_id, expiresAt + deps.settings.hostGraceSeconds * 1000))) {
				throw new PermanentError('clone_lost', 'The clone ended before it was ready. Ask for a new one.');
			}
			await deps.cloneAgents.call(agent, 'set_expiry', { expires_at: Math.floor(expiresAt / 1000) });
			const clone = await updateClone(deps.clones, request.clone_id, {
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
			const clone = await deps.clones.get(cloneInput(context).clone_id);
			if (clone !== undefined && clone.job_id === context.job.job_id) await unscheduleDeletion(deps, clone);
			return done();
		},
	};
}

async function importStatus(agents: AgentClient, agent: AgentTarget) {
	return parseAnswer(importStatusSchema, 'import_status', await agents.call(agent, 'import_status', {}));
}

async function routeTo(host: CloneHost, context: StepContext, slotId: string): Promise<SlotRoute> {
	const found = await host.route(slotId, cloneInput(context).clone_id);
	if (found === undefined) throw new PermanentError('clone_lost', 'The clone ended before it was ready. Ask for a new one.');
	return found;
}

/** Compare-and-set with the newest generation; a clone row that is gone is a bug or a wiped store. */
export async function updateClone(
	clones: CloneStore,
	cloneId: string,
	patch: Partial<Omit<Clone, 'clone_id' | 'generation'>>,
): Promise<Clone> {
	for (let attempt = 0; attempt < 5; attempt++) {
		const clone = await clones.get(cloneId);
		if (clone === undefined) throw new PermanentError('clone_lost', 'The clone was lost while it was being made. Ask for a new one.');
		const written = await clones.update(cloneId, clone.generation, patch);
		if (written !== undefined) return written;
	}
	throw new TransientError('clone_busy', 'The clone is being changed by several requests at once.');
}
