/**
 * The clone job: prepare → connect → preflight → claim → boot → import → release → publish.
 *
 * Gotchas: secrets (the source's job key, the clone's password) exist before the first outside effect and are kept
 * sealed in the outputs, so that an interrupted step can be undone with them. `claim` records the slot before the host
 * hears of it. `publish` is last: a clone's time counts from the moment it is usable.
 */
import type { Json } from '../jobs/job.ts';
import { done, type Finished, type JobDefinition, type Step } from '../jobs/step.ts';
import { cloneInput, madeSecrets, outputOf, sealMadeSecrets } from './clone-job-row.ts';
import { boot, claim, importSite, publish, type SlotStepDeps, updateClone } from './slot-steps.ts';
import { newKey } from './slots.ts';
import { connect, preflight, release, type SourceStepDeps } from './source-steps.ts';

export interface CloneJobDeps extends SourceStepDeps, SlotStepDeps {}

export function cloneJob(deps: CloneJobDeps): JobDefinition {
	return {
		type: 'clone',
		steps: [prepare(deps), connect(deps), preflight(deps), claim(deps), boot(deps), importSite(deps), release(deps), publish(deps)],

		async finish(context): Promise<Finished> {
			const request = cloneInput(context);
			const booted = outputOf.boot(context);
			const facts = outputOf.preflight(context);
			const claimed = outputOf.claim(context);
			const imported = outputOf.import(context);
			const published = outputOf.publish(context);
			const { password, username } = await madeSecrets(deps.secrets, context);
			const cloneFacts = imported.facts ?? {};
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
			const clone = await deps.clones.get(cloneInput(context).clone_id);
			if (clone === undefined || clone.job_id !== context.job.job_id || clone.state === 'deleted') return;
			await updateClone(deps.clones, clone.clone_id, { state: 'deleted', slot_id: null, url: null, expires_at: null });
		},
	};
}

function prepare(deps: Pick<CloneJobDeps, 'random' | 'secrets'>): Step {
	return {
		name: 'prepare',
		message: 'Preparing',
		weight: 1,
		deadlineSeconds: 60,
		async run(context) {
			const made = { source_key: newKey(deps.random), password: deps.random.hex(24), username: 'clone-admin' };
			return done(await sealMadeSecrets(deps.secrets, context, made));
		},
	};
}
