/** The steps of a clone job that deal with the source site: the agent is brought there, looks around, and is taken away again. */
import { PermanentError } from '../errors.ts';
import type { Json } from '../jobs/job.ts';
import { done, type Step } from '../jobs/step.ts';
import type { AgentClient, SecretBox, Site, Telemetry } from '../ports.ts';
import { type Preflight, parseAnswer, preflightSchema } from './agent-answers.ts';
import { cloneInput, madeSecrets, outputOf, sourceCredentials } from './clone-job-row.ts';
import type { CloneSettings } from './settings.ts';

export interface SourceStepDeps {
	readonly site: Site;
	/** To sources: any address that the policy allows. */
	readonly sourceAgents: AgentClient;
	readonly secrets: SecretBox;
	readonly telemetry: Telemetry;
	readonly settings: CloneSettings;
}

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

export function connect(deps: SourceStepDeps): Step {
	return {
		name: 'connect',
		message: 'Connecting to the source site',
		weight: 15,
		deadlineSeconds: 300,
		async run(context) {
			const connection = await deps.site.connect({
				url: cloneInput(context).source_url,
				credentials: await sourceCredentials(context),
				job_id: context.job.job_id,
				agent_key: (await madeSecrets(deps.secrets, context)).source_key,
				expires_at: context.job.deadline,
			});
			return done({ ...connection });
		},
		async undo(context) {
			if (context.outputOrUndefined('prepare') === undefined) return done();
			// The release step did it already.
			if (context.outputOrUndefined('release') !== undefined) return done();
			const { source_key } = await madeSecrets(deps.secrets, context);
			if (context.outputOrUndefined('connect') !== undefined) {
				await deps.site.disconnect({
					connection: outputOf.connect(context),
					job_id: context.job.job_id,
					agent_key: source_key,
					credentials: await sourceCredentials(context),
				});
			} else {
				try {
					await deps.site.cleanUp({
						url: cloneInput(context).source_url,
						credentials: await sourceCredentials(context),
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
}

export function preflight(deps: SourceStepDeps): Step {
	return {
		name: 'preflight',
		message: 'Looking at the source site',
		weight: 3,
		deadlineSeconds: 300,
		async run(context) {
			const connection = outputOf.connect(context);
			const { source_key } = await madeSecrets(deps.secrets, context);
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
}

export function release(deps: SourceStepDeps): Step {
	return {
		name: 'release',
		message: 'Leaving the source site as it was',
		weight: 5,
		deadlineSeconds: 300,
		async run(context) {
			const connection = outputOf.connect(context);
			const { source_key } = await madeSecrets(deps.secrets, context);
			await deps.site.disconnect({
				connection,
				job_id: context.job.job_id,
				agent_key: source_key,
				credentials: await sourceCredentials(context),
			});
			return done({ released: true });
		},
	};
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
