/** EventBridge Scheduler and KMS where they do what no emulator does, and exactly what they are asked. */
import { randomBytes } from 'node:crypto';
import { DecryptCommand, GenerateDataKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import {
	ConflictException,
	CreateScheduleCommand,
	DeleteScheduleCommand,
	ResourceNotFoundException,
	SchedulerClient,
	UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import { EventBridgeTtlSchedule } from '../../adapters/aws/eventbridge-ttl-schedule.ts';
import { KmsSecretBox } from '../../adapters/aws/kms-secret-box.ts';
import { PermanentError, SealError, TransientError } from '../../core/errors.ts';
import { T0 } from '../contracts/support.ts';

const scheduler = mockClient(SchedulerClient);
const kms = mockClient(KMSClient);
const sent: string[] = [];
let now = T0;
beforeEach(() => {
	scheduler.reset();
	kms.reset();
	sent.length = 0;
	now = T0;
});

const conflict = new ConflictException({ $metadata: {}, message: 'there', Message: 'there' });
const missing = new ResourceNotFoundException({ $metadata: {}, message: 'gone', Message: 'gone' });

describe('the TTL schedule', () => {
	const schedule = new EventBridgeTtlSchedule({
		client: new SchedulerClient({}),
		group: 'clones',
		roleArn: 'arn:aws:iam::123456789012:role/schedules',
		queueArn: 'arn:aws:sqs:eu-central-1:123456789012:jobs',
		deadLetterArn: 'arn:aws:sqs:eu-central-1:123456789012:jobs-dead',
		queue: { send: async (id) => void sent.push(id) },
		clock: { now: () => now },
	});

	it('asks for one that fires once, at the second, in UTC, and then removes itself', async () => {
		scheduler.on(CreateScheduleCommand).resolves({});
		await schedule.set('shop', T0 + 60_001, 'delete-0123456789ab');
		expect(scheduler.calls().map((call) => call.args[0].input)).toEqual([
			{
				Name: 'shop',
				GroupName: 'clones',
				ScheduleExpression: 'at(2030-01-01T00:01:01)',
				ScheduleExpressionTimezone: 'UTC',
				FlexibleTimeWindow: { Mode: 'OFF' },
				ActionAfterCompletion: 'DELETE',
				Target: {
					Arn: 'arn:aws:sqs:eu-central-1:123456789012:jobs',
					RoleArn: 'arn:aws:iam::123456789012:role/schedules',
					Input: '{"job_id":"delete-0123456789ab"}',
					RetryPolicy: { MaximumRetryAttempts: 10, MaximumEventAgeInSeconds: 3600 },
					DeadLetterConfig: { Arn: 'arn:aws:sqs:eu-central-1:123456789012:jobs-dead' },
				},
			},
		]);
	});

	it('replaces the one that is there', async () => {
		scheduler.on(CreateScheduleCommand).rejects(conflict);
		scheduler.on(UpdateScheduleCommand).resolves({});
		await schedule.set('shop', T0 + 60_000, 'delete-0123456789ab');
		expect(scheduler.commandCalls(UpdateScheduleCommand)).toHaveLength(1);
	});

	it('makes it again when the one that was there fired in between', async () => {
		scheduler.on(CreateScheduleCommand).rejectsOnce(conflict).resolvesOnce({});
		scheduler.on(UpdateScheduleCommand).rejects(missing);
		await schedule.set('shop', T0 + 60_000, 'delete-0123456789ab');
		expect(scheduler.commandCalls(CreateScheduleCommand)).toHaveLength(2);
	});

	it('sends at once what is due already, and leaves no schedule behind', async () => {
		scheduler.on(DeleteScheduleCommand).rejects(missing);
		await schedule.set('shop', T0 + 1000, 'delete-0123456789ab');
		expect(sent).toEqual(['delete-0123456789ab']);
		expect(scheduler.calls().map((call) => call.args[0].constructor.name)).toEqual(['DeleteScheduleCommand']);
	});

	it.each([
		['ThrottlingException', TransientError],
		['AccessDeniedException', PermanentError],
	])('%s is no missing schedule', async (name, kind) => {
		scheduler.onAnyCommand().rejects(Object.assign(new Error(name), { name, $metadata: { httpStatusCode: 400 } }));
		await expect(schedule.set('shop', T0 + 60_000, 'delete-1')).rejects.toBeInstanceOf(kind);
		await expect(schedule.cancel('shop')).rejects.toBeInstanceOf(kind);
	});

	it('names a schedule by its digest where the name is none for Scheduler', async () => {
		scheduler.on(CreateScheduleCommand).resolves({});
		await schedule.set('x'.repeat(65), T0 + 60_000, 'delete-1');
		expect(scheduler.commandCalls(CreateScheduleCommand)[0]?.args[0].input.Name).toMatch(/^[0-9a-f]{64}$/);
	});
});

describe('the secret box', () => {
	const context = { job_id: 'clone-1', owner: 'o' };
	const box = () => new KmsSecretBox({ client: new KMSClient({}), keyId: 'key', clock: { now: () => now } });
	const key = randomBytes(32);
	beforeEach(() => {
		kms.on(GenerateDataKeyCommand).resolves({ Plaintext: key, CiphertextBlob: randomBytes(184) });
		kms.on(DecryptCommand).resolves({ Plaintext: key });
	});

	it('asks KMS with the context, and with its own key only', async () => {
		const sealed = await box().seal('secret', context);
		expect(await box().open(sealed, context)).toBe('secret');
		expect(kms.calls().map((call) => call.args[0].input)).toMatchObject([
			{ KeyId: 'key', KeySpec: 'AES_256', EncryptionContext: context },
			{ KeyId: 'key', EncryptionContext: context },
		]);
	});

	it('asks once for what is opened again and again, and once more after five minutes', async () => {
		const sealed = await box().seal('secret', context);
		const other = box();
		for (let turn = 0; turn < 5; turn++) expect(await other.open(sealed, context)).toBe('secret');
		expect(kms.commandCalls(DecryptCommand)).toHaveLength(1);
		now += 5 * 60_000;
		await other.open(sealed, context);
		expect(kms.commandCalls(DecryptCommand)).toHaveLength(2);
	});

	it('does not open for another context with a key at hand', async () => {
		const one = box();
		const sealed = await one.seal('secret', context);
		await expect(one.open(sealed, { ...context, owner: 'p' })).rejects.toBeInstanceOf(SealError);
	});

	it.each([
		['InvalidCiphertextException', SealError],
		['IncorrectKeyException', SealError],
		['ThrottlingException', TransientError],
		['KMSInternalException', TransientError],
		['AccessDeniedException', PermanentError],
	])('%s on opening is a %o', async (name, kind) => {
		const sealed = await box().seal('secret', context);
		const $metadata = { httpStatusCode: name === 'KMSInternalException' ? 500 : 400 };
		kms.on(DecryptCommand).rejects(Object.assign(new Error(name), { name, $metadata }));
		await expect(box().open(sealed, context)).rejects.toBeInstanceOf(kind);
	});
});
