import { Stack } from 'aws-cdk-lib';
import { type IGrantable, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import { Construct } from 'constructs';
import type { JobQueue } from './job-queue.ts';

/** One one-time schedule a clone, made by the code; here are their group and the role they are carried out with. */
export class TtlSchedules extends Construct {
	readonly groupName: string;
	readonly role: Role;
	readonly #schedules: string;

	constructor(scope: Construct, id: string, props: { readonly name: string; readonly jobs: JobQueue }) {
		super(scope, id);
		const { account } = Stack.of(this);
		new CfnScheduleGroup(this, 'Group', { name: props.name });
		this.groupName = props.name;
		const group = Stack.of(this).formatArn({ service: 'scheduler', resource: 'schedule-group', resourceName: props.name });
		this.#schedules = Stack.of(this).formatArn({ service: 'scheduler', resource: 'schedule', resourceName: `${props.name}/*` });
		this.role = new Role(this, 'Role', {
			assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
				conditions: { StringEquals: { 'aws:SourceAccount': account, 'aws:SourceArn': group } },
			}),
		});
		this.role.addToPolicy(
			new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [props.jobs.queue.queueArn, props.jobs.dead.queueArn] }),
		);
	}

	/** To make, move and remove schedules of this group. Their names are the clones', so all of the group. */
	grant(grantee: IGrantable): void {
		grantee.grantPrincipal.addToPrincipalPolicy(
			new PolicyStatement({
				actions: ['scheduler:CreateSchedule', 'scheduler:UpdateSchedule', 'scheduler:DeleteSchedule'],
				resources: [this.#schedules],
			}),
		);
		grantee.grantPrincipal.addToPrincipalPolicy(
			new PolicyStatement({
				actions: ['iam:PassRole'],
				resources: [this.role.roleArn],
				conditions: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } },
			}),
		);
	}
}
