/** The lines that CloudWatch reads, and the X-Ray segments, as they leave the process. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPowertoolsTelemetry } from '../../adapters/aws/telemetry/powertools-telemetry.ts';
import { createWorkerTracing } from '../../adapters/aws/telemetry/powertools-tracing.ts';
import { TraceContext } from '../../adapters/aws/telemetry/trace-context.ts';
import { TransientError } from '../../core/errors.ts';

const HEADER = 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1';
let written: string[] = [];
beforeEach(() => {
	written = [];
	const take = (chunk: unknown): boolean => {
		written.push(String(chunk));
		return true;
	};
	vi.spyOn(process.stdout, 'write').mockImplementation(take);
	vi.spyOn(process.stderr, 'write').mockImplementation(take);
});
afterEach(() => {
	vi.restoreAllMocks();
});

const lines = (): Record<string, unknown>[] =>
	written
		.join('')
		.trim()
		.split('\n')
		.map((line) => JSON.parse(line) as Record<string, unknown>);

describe('telemetry', () => {
	const traces = new TraceContext(() => undefined);
	const telemetry = () => createPowertoolsTelemetry({ service: 'worker', stage: 'prod', traces });

	it('writes a log line with its fields, its cause and its trace', () => {
		const error = new TransientError('aws_throttled', 'Too much.', { cause: new Error('the cause') });
		traces.run(HEADER, () => telemetry().log('warn', 'not saved', { job_id: 'clone-1', step: 'import', attempt: 2, error }));
		expect(lines()).toMatchObject([
			{
				level: 'WARN',
				message: 'not saved',
				service: 'worker',
				stage: 'prod',
				job_id: 'clone-1',
				step: 'import',
				attempt: 2,
				trace_id: '1-5759e988-bd862e3fe1be46a994272793',
				error: { name: 'TransientError', code: 'aws_throttled', message: 'Too much.', cause: { message: 'the cause' } },
			},
		]);
	});

	it('says that a value is missing rather than failing', () => {
		telemetry().metric('queue_seconds', Number.NaN, 'seconds');
		expect(lines()).toMatchObject([{ level: 'WARN', metric: 'queue_seconds' }]);
	});

	it('leaves out what is below the level', () => {
		telemetry().log('debug', 'detail');
		expect(written).toEqual([]);
	});

	it('counts an observation by the stage alone, and once more by its own dimensions', () => {
		const one = telemetry();
		one.metric('step_seconds', 1.5, 'seconds', { type: 'clone', step: 'import' });
		one.metric('sweep_resent', 0, 'count');
		const [first, second] = lines();
		expect(first).toMatchObject({
			_aws: {
				CloudWatchMetrics: [
					{
						Namespace: 'wp-clone',
						Dimensions: [['stage'], ['stage', 'type', 'step']],
						Metrics: [{ Name: 'step_seconds', Unit: 'Seconds' }],
					},
				],
			},
			stage: 'prod',
			type: 'clone',
			step: 'import',
			step_seconds: 1.5,
		});
		expect(second).toMatchObject({
			_aws: { CloudWatchMetrics: [{ Dimensions: [['stage']], Metrics: [{ Name: 'sweep_resent', Unit: 'Count' }] }] },
			sweep_resent: 0,
		});
		expect(second).not.toHaveProperty('type');
	});
});

describe('tracing', () => {
	it("gives a message's work a segment of its own, with its job and the trace it came from", async () => {
		const daemon = createSocket('udp4');
		daemon.bind(0, '127.0.0.1');
		await once(daemon, 'listening');
		const segments: { name: string; trace_id?: string; annotations?: object }[] = [];
		daemon.on('message', (packet) => segments.push(JSON.parse(packet.toString().split('\n')[1] ?? '{}')));
		const seen: (string | undefined)[] = [];
		const site = createServer((request, response) => {
			seen.push(request.headers['x-amzn-trace-id']?.toString());
			response.end();
		});
		site.listen(0, '127.0.0.1');
		await once(site, 'listening');
		const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
		// The X-Ray SDK looks where it is when it is loaded: a process of its own.
		const child = spawn(process.execPath, [fileURLToPath(new URL('./tracing-process.ts', import.meta.url)), HEADER, url], {
			stdio: ['ignore', 'pipe', 'inherit'],
			env: {
				AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
				LAMBDA_TASK_ROOT: '/var/task',
				AWS_LAMBDA_FUNCTION_NAME: 'worker',
				AWS_XRAY_DAEMON_ADDRESS: `127.0.0.1:${daemon.address().port}`,
				_X_AMZN_TRACE_ID: 'Root=1-6000e988-bd862e3fe1be46a994272793;Parent=63995c3f42cd8ad8;Sampled=1',
				_HANDLER: 'index.handler',
			},
		});
		let printed = '';
		child.stdout.on('data', (part: Buffer) => {
			printed += part.toString();
		});
		const [code] = (await once(child, 'close')) as [number | null];
		expect(code).toBe(0);
		expect(JSON.parse(printed)).toEqual([HEADER]);
		await vi.waitFor(() => expect(segments.map(({ name }) => name)).toContain('## clone-1'), 5000);
		expect(segments.find(({ name }) => name === '## clone-1')).toMatchObject({
			trace_id: '1-6000e988-bd862e3fe1be46a994272793',
			annotations: { job_id: 'clone-1', job_trace: '1-5759e988-bd862e3fe1be46a994272793' },
		});
		// Foreign sites are told nothing of it, and are not in it.
		expect(seen).toEqual([undefined, undefined]);
		expect(segments.some(({ name }) => name.includes('127.0.0.1'))).toBe(false);
		daemon.close();
		site.close();
	});

	it('only hands the trace on where nothing is traced', async () => {
		const traces = new TraceContext(() => undefined);
		const tracing = createWorkerTracing('worker', traces);
		expect(await tracing.message({ jobId: 'clone-1', traceHeader: HEADER }, async () => traces.header())).toBe(HEADER);
		const client = { send: () => 1 };
		expect(tracing.capture(client)).toBe(client);
	});
});
