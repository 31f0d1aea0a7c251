/**
 * One one-time schedule a clone: at its time EventBridge Scheduler puts a job id into the queue and removes the schedule.
 * Its grain is a minute: it fires within the minute that begins at the time given
 * (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).
 */
import { createHash } from 'node:crypto';
import {
	ConflictException,
	CreateScheduleCommand,
	type CreateScheduleCommandInput,
	DeleteScheduleCommand,
	ResourceNotFoundException,
	type SchedulerClient,
	UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler';
import { TransientError } from '../../core/errors.ts';
import type { Millis } from '../../core/jobs/job.ts';
import type { Clock, JobQueue, TtlSchedule } from '../../core/ports.ts';
import { asked } from './aws-errors.ts';
import { jobMessage } from './sqs/job-message.ts';

export interface EventBridgeTtlScheduleOptions {
	readonly client: SchedulerClient;
	/** The schedules' own group: its role and its alarms stand for all of them. */
	readonly group: string;
	/** What Scheduler sends with: may send to the queue, and nothing else. */
	readonly roleArn: string;
	readonly queueArn: string;
	/** Takes what Scheduler could not deliver; null: none. */
	readonly deadLetterArn: string | null;
	/** The same queue: for a time that has passed already. */
	readonly queue: JobQueue;
	readonly clock: Clock;
}

/** A schedule so near would be missed, or refused. */
const LEAST_AHEAD_MS = 2000;
/** Attempts when the schedule comes or goes between two calls. */
const ATTEMPTS = 4;
/** How long Scheduler goes on trying to deliver; the sweep is there long before. */
const RETRY = { MaximumRetryAttempts: 10, MaximumEventAgeInSeconds: 3600 };

export class EventBridgeTtlSchedule implements TtlSchedule {
	readonly #options: EventBridgeTtlScheduleOptions;

	constructor(options: EventBridgeTtlScheduleOptions) {
		this.#options = options;
	}

	/** @throws TransientError, PermanentError of aws-errors.ts */
	async set(name: string, at: Millis, jobId: string): Promise<void> {
		const { client, clock, queue } = this.#options;
		if (at < clock.now() + LEAST_AHEAD_MS) {
			await this.cancel(name);
			await queue.send(jobId);
			return;
		}
		const schedule = this.#schedule(name, at, jobId);
		for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
			try {
				await client.send(new CreateScheduleCommand(schedule));
				return;
			} catch (cause) {
				if (!(cause instanceof ConflictException)) await asked('scheduler:CreateSchedule', () => Promise.reject(cause));
			}
			try {
				await client.send(new UpdateScheduleCommand(schedule));
				return;
			} catch (cause) {
				// It has fired, and is gone, since it was in the way.
				if (!(cause instanceof ResourceNotFoundException) && !(cause instanceof ConflictException)) {
					await asked('scheduler:UpdateSchedule', () => Promise.reject(cause));
				}
			}
		}
		throw new TransientError('schedule_contended', 'The schedule is being changed by several requests at once.', { retryAfterSeconds: 1 });
	}

	async cancel(name: string): Promise<void> {
		const { client, group } = this.#options;
		try {
			await client.send(new DeleteScheduleCommand({ Name: scheduleName(name), GroupName: group }));
		} catch (cause) {
			if (!(cause instanceof ResourceNotFoundException)) await asked('scheduler:DeleteSchedule', () => Promise.reject(cause));
		}
	}

	#schedule(name: string, at: Millis, jobId: string): CreateScheduleCommandInput {
		const { group, roleArn, queueArn, deadLetterArn } = this.#options;
		// Whole seconds, never before the time: a delete job that comes early would have to wait once more.
		const time = new Date(Math.ceil(at / 1000) * 1000).toISOString().slice(0, 19);
		return {
			Name: scheduleName(name),
			GroupName: group,
			ScheduleExpression: `at(${time})`,
			ScheduleExpressionTimezone: 'UTC',
			FlexibleTimeWindow: { Mode: 'OFF' },
			ActionAfterCompletion: 'DELETE',
			Target: {
				Arn: queueArn,
				RoleArn: roleArn,
				Input: jobMessage(jobId),
				RetryPolicy: RETRY,
				...(deadLetterArn === null ? {} : { DeadLetterConfig: { Arn: deadLetterArn } }),
			},
		};
	}
}

/** Scheduler takes up to 64 letters, digits, `-`, `_` and `.`. */
function scheduleName(name: string): string {
	return /^[\w.-]{1,64}$/.test(name) ? name : createHash('sha256').update(name).digest('hex');
}
