import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bootSource, type Source } from '../source/support.ts';
import { asks, type Call, type Fault, type FaultyProxy, startFaultyProxy } from './support/faulty-proxy.ts';
import { type ImportStatus, importRequest, makeSlot, type TestSlot } from './support/slot.ts';

describe('an import over a bad line', () => {
	let source: Source;
	let slot: TestSlot;
	let proxy: FaultyProxy;
	beforeAll(async () => {
		source = await bootSource({
			seed: (site) =>
				site.evalPhp(`for ( $i = 0; $i < 40; $i++ ) { file_put_contents( WP_CONTENT_DIR . "/uploads/f$i.bin", random_bytes( 20000 ) ); }
					file_put_contents( WP_CONTENT_DIR . '/uploads/big.bin', random_bytes( 9000000 ) );
					for ( $i = 0; $i < 30; $i++ ) { add_option( "probe_$i", str_repeat( "row $i ", 2000 ) ); }
					add_option( 'probe_large', random_int( 0, 9 ) . str_repeat( 'large ', 500000 ) );`),
		});
	});
	afterAll(() => source.site.stop());
	beforeEach(async () => {
		slot = await makeSlot('8.4');
		proxy = await startFaultyProxy(source.site.url);
	});
	afterEach(async () => {
		await proxy.close();
		await slot.remove();
	});

	const start = async (): Promise<void> => {
		await slot.verb('import_start', importRequest({ url: proxy.url, keyId: source.agent.keyId, key: source.agent.key }));
	};
	const toEnd = async (): Promise<ImportStatus> => {
		await start();
		await slot.host.toEnd();
		return slot.status();
	};
	/** Nothing staged is left, and what was live still is. */
	const expectUntouched = (): void => {
		expect(readdirSync(slot.path('import')).sort()).toEqual(['lock', 'request.json', 'start.lock', 'state.json']);
		expect(existsSync(slot.path('wordpress/wp-content/uploads/big.bin'))).toBe(false);
		expect(existsSync(slot.path('wordpress/wp-content/mu-plugins/0-clone-guard.php'))).toBe(true);
		expect(slot.json('clone.json').admin_user).toBeNull();
		expect(JSON.stringify(slot.json('import/request.json'))).not.toContain(source.agent.key.toString('base64'));
	};

	test('gets through with every answer right, when every second one comes corrupted, cut, as a page, repeated or not at all', async () => {
		const faults: readonly Fault[] = [
			'corrupt',
			'cut',
			'html',
			'repeat',
			'drop',
			{ status: 502, body: 'Bad Gateway' },
			{ status: 413 },
			{ status: 429, headers: { 'retry-after': '0' } },
		];
		// What an import counts as one chunk, which may be asked for four times.
		const chunk = ({ verb, args }: Call['asked'][number]): string => {
			const [first] = (args.files ?? [args]) as readonly Record<string, unknown>[];
			return JSON.stringify([verb, { ...first, length: 0, max_bytes: 0 }]);
		};
		const failures = new Map<string, number>();
		const met: Fault[] = [];
		proxy.choose = ({ asked, total }) => {
			const chunks = asked.map(chunk);
			if (total % 2 === 0 || chunks.some((each) => (failures.get(each) ?? 0) >= 2)) return 'pass';
			for (const each of chunks) failures.set(each, (failures.get(each) ?? 0) + 1);
			const fault = faults[met.length % faults.length] ?? 'pass';
			met.push(fault);
			return fault;
		};
		const status = await toEnd();
		expect(status).toMatchObject({ state: 'done', error: null });
		expect(status.proof?.differences).toEqual([]);
		// Faults did happen, of every kind.
		expect(met.length).toBeGreaterThanOrEqual(faults.length);
		expect(existsSync(slot.path('wordpress/wp-content/uploads/big.bin'))).toBe(true);
	});

	test.each([
		['html', 'bad_answer'],
		['corrupt', 'bad_answer'],
		['cut', 'bad_answer'],
		['drop', 'source_unavailable'],
		[{ status: 500, body: 'Fatal error: Allowed memory size' }, 'source_failed'],
	] as const)('fails after four attempts when a chunk only ever comes as %j, and leaves nothing half-made', async (fault, code) => {
		let failing = '';
		proxy.choose = (call) => {
			if (!asks(call, 'rows', 'wp_options')) return 'pass';
			failing = call.body;
			return fault;
		};
		const status = await toEnd();
		expect(status).toMatchObject({ state: 'failed', proof: null, error: { code, permanent: false } });
		expect(proxy.calls.filter((call) => asks(call, 'rows', 'wp_options')).length).toBe(4);
		// What shared a request with it was asked for again, and came. Once more on a slow machine, where a turn ends before the answer.
		const again = proxy.calls.filter((call) => asks(call, 'rows', 'wp_terms')).length;
		expect(again).toBeGreaterThanOrEqual(2);
		expect(again).toBeLessThan(4);
		expect(failing).toContain('wp_options');
		expectUntouched();
	});

	test('an answer to another request is no answer, however well signed', async () => {
		proxy.choose = ({ verb, count }) => (verb === 'read' && count > 1 ? 'repeat' : 'pass');
		const status = await toEnd();
		expect(status).toMatchObject({ state: 'failed', error: { code: 'bad_answer' } });
		expect(status.error?.message).toContain('belongs to another request');
		expectUntouched();
	});

	test('a key that is no longer accepted ends the import at once', async () => {
		proxy.choose = ({ verb }) => (verb === 'files' ? { status: 401, body: '{"code":"unauthorized"}' } : 'pass');
		const status = await toEnd();
		expect(status).toMatchObject({ state: 'failed', error: { code: 'agent_gone', permanent: true } });
		expect(proxy.calls.filter((call) => call.verb === 'files').length).toBeLessThanOrEqual(2);
		expectUntouched();
	});

	test('a page that says 401 is not the agent: it is tried again', async () => {
		proxy.choose = ({ verb, count }) =>
			verb === 'batch' && count === 1 ? { status: 401, body: '<h1>Authorization required</h1>' } : 'pass';
		expect((await toEnd()).state).toBe('done');
	});

	test('waits as long as the source says, without a step that sits there', async () => {
		proxy.choose = (call) => (asks(call, 'preflight') ? { status: 503, headers: { 'retry-after': '40' } } : 'pass');
		await start();
		const line = await slot.host.step(1);
		expect(line.state).toBe('running');
		expect(line.wait_ms).toBeGreaterThan(30_000);
		expect(line.wait_ms).toBeLessThanOrEqual(40_000);
		const again = await slot.host.step(1);
		expect(again.wait_ms).toBeGreaterThan(20_000);
		expect(proxy.calls.length).toBe(1);
	});

	test('asks for half as much after an answer that was too large', async () => {
		proxy.choose = ({ verb, body, count }) => (verb === 'read' && count === 1 && body.length > 0 ? { status: 413 } : 'pass');
		expect((await toEnd()).state).toBe('done');
		const sizes = proxy.calls
			.filter((call) => call.verb === 'read')
			.map((call) => (JSON.parse(call.body) as { max_bytes: number }).max_bytes);
		const [first = 0] = sizes;
		expect(first).toBe(4_194_304);
		expect(sizes.slice(1).some((size) => size === first / 2)).toBe(true);
	});

	test('follows a source whose clock is wrong', async () => {
		const behind = -4000;
		proxy.choose = ({ time }) => {
			const theirs = Math.floor(Date.now() / 1000) + behind;
			return Math.abs(time - theirs) > 60
				? { status: 401, body: JSON.stringify({ code: 'clock_skew', time: theirs }) }
				: { status: 503, headers: { 'retry-after': '99' } };
		};
		await start();
		await slot.host.step(2);
		// One request with two calls, then each of them alone.
		expect(proxy.calls.length).toBe(3);
		expect(Math.abs((proxy.calls[1]?.time ?? 0) - (Math.floor(Date.now() / 1000) + behind))).toBeLessThan(30);
	});

	test('a file that changes under way is copied as it is in the end; one that goes is named', async () => {
		const uploads = `${source.site.dir}/wp-content/uploads`;
		let changed = false;
		proxy.choose = async ({ verb }): Promise<Fault> => {
			if (verb === 'read' && !changed) {
				changed = true;
				await source.site.php.raw(
					`<?php file_put_contents( '${uploads}/f0.bin', 'changed' ); rename( '${uploads}/f1.bin', '${uploads}/../f1.away' );`,
				);
			}
			return 'pass';
		};
		const status = await toEnd();
		await source.site.php.raw(`<?php rename( '${uploads}/../f1.away', '${uploads}/f1.bin' );`);
		expect(status.state).toBe('done');
		expect(readFileSync(slot.path('wordpress/wp-content/uploads/f0.bin'), 'utf8')).toBe('changed');
		expect(status.proof?.differences.filter((each) => each.path === 'content/uploads/f1.bin').length).toBe(1);
		expect(existsSync(slot.path('wordpress/wp-content/uploads/f1.bin'))).toBe(false);
	});

	test('is one import however often it is asked for, and starts over after a failure', async () => {
		proxy.choose = () => ({ status: 401, body: '{"code":"unauthorized"}' });
		expect((await toEnd()).state).toBe('failed');
		proxy.choose = () => 'pass';
		const before = proxy.calls.length;
		await start();
		await start();
		expect((await slot.status()).state).toBe('running');
		await slot.host.step(1);
		await start();
		await slot.host.toEnd();
		expect((await slot.status()).state).toBe('done');
		expect(proxy.calls.slice(before).filter((call) => asks(call, 'preflight')).length).toBe(1);
		// Done is done: neither the same job nor another one changes anything.
		await start();
		expect((await slot.status()).state).toBe('done');
		await expect(slot.verb('import_start', importRequest(source.agent, { job_id: 'clone-ffffffffffff' }))).rejects.toThrow('slot_busy');
	});

	test('stops when it is cancelled', async () => {
		let reached = (): void => {};
		const reading = new Promise<void>((resolve) => {
			reached = resolve;
		});
		let released = (): void => {};
		const held = new Promise<void>((resolve) => {
			released = resolve;
		});
		proxy.choose = async ({ verb }): Promise<Fault> => {
			if (verb === 'files') {
				reached();
				await held;
			}
			return 'pass';
		};
		await start();
		const step = slot.host.step(20);
		await reading;
		// The verb runs in the site's PHP; this writes what it writes.
		writeFileSync(slot.path('import/cancel'), '{}');
		const line = await step;
		released();
		expect(line.state).toBe('failed');
		expect((await slot.status()).error).toMatchObject({ code: 'cancelled', permanent: true });
		expect(existsSync(slot.path('import/staging'))).toBe(false);
		await slot.verb('import_cancel');
		expect((await slot.status()).error?.code).toBe('cancelled');
	});

	test('refuses a site larger than it may be', async () => {
		await slot.verb('import_start', importRequest(source.agent, { limits: { max_bytes: 5_000_000 } }));
		await slot.host.toEnd();
		expect(await slot.status()).toMatchObject({ state: 'failed', error: { code: 'site_too_large', permanent: true } });
		expectUntouched();
	});
});
