import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { QueryDefinition, QueryString } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

/** Questions to the logs, under their names in CloudWatch Logs Insights. Fields are those the telemetry writes (adapters/aws). */
export class SavedQueries extends Construct {
	constructor(scope: Construct, id: string, props: { readonly folder: string; readonly logGroups: readonly ILogGroup[] }) {
		super(scope, id);
		const logGroups = [...props.logGroups];
		const add = (name: string, queryString: QueryString): void => {
			new QueryDefinition(this, name, { queryDefinitionName: `${props.folder}/${name}`, queryString, logGroups });
		};
		add(
			'JobStory',
			new QueryString({
				fields: ['@timestamp', 'level', 'message', 'step', 'attempt', 'code', 'clone_id', 'service'],
				filterStatements: ["job_id = 'clone-000000000000'"],
				sort: '@timestamp asc',
				limit: 1000,
			}),
		);
		add(
			'SlowestSteps',
			new QueryString({
				filterStatements: ['ispresent(step_seconds)'],
				statsStatements: [
					'count(*) as times, avg(step_seconds) as mean, pct(step_seconds, 95) as p95, max(step_seconds) as longest by type, step',
				],
				sort: 'p95 desc',
				limit: 50,
			}),
		);
		add(
			'FailuresByCode',
			new QueryString({
				filterStatements: ['ispresent(jobs_failed)'],
				statsStatements: ['sum(jobs_failed) as jobs by type, code'],
				sort: 'jobs desc',
				limit: 50,
			}),
		);
	}
}
