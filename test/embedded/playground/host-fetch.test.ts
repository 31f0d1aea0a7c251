import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileLockManagerInMemory, type PHP } from '@php-wasm/universal';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HostFetch } from '../../../adapters/embedded/playground/import/host-fetch.ts';
import { openNetwork } from '../../../adapters/embedded/playground/php/network-policy.ts';
import { runPhp } from '../../../adapters/embedded/playground/php/run.ts';
import { createPhp } from '../../../adapters/embedded/playground/php/runtime.ts';
import { createGuardedFetch } from '../../../adapters/wordpress/guarded-fetch.ts';

let server: Server;
let url: string;
let dir: string;
/** Most requests the server has had open at once. */
let peak = 0;
let open = 0;
beforeAll(async () => {
	server = createServer((request, response) => {
		open += 1;
		peak = Math.max(peak, open);
		response.on('close', () => {
			open -= 1;
		});
		const parts: Buffer[] = [];
		request.on('data', (chunk: Buffer) => parts.push(chunk));
		request.on('end', () => {
			const { searchParams } = new URL(request.url ?? '/', 'http://host');
			if (searchParams.has('hang')) return;
			setTimeout(
				() => {
					response.setHeader('content-type', 'application/octet-stream');
					response.writeHead(Number(searchParams.get('status') ?? 200));
					response.end(
						searchParams.has('size')
							? Buffer.alloc(Number(searchParams.get('size')), 'x')
							: `${request.method} ${request.headers['x-key']} ${Buffer.concat(parts)}`,
					);
				},
				Number(searchParams.get('ms') ?? 0),
			);
		});
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
	dir = await mkdtemp(join(tmpdir(), 'wp-clone-fetch-'));
	mkdirSync(join(dir, 'import', 'chunks'), { recursive: true });
});
afterAll(async () => {
	server.closeAllConnections();
	server.close();
	await rm(dir, { recursive: true, force: true });
});

const out = (name: string): string => join(dir, 'import', 'chunks', name);
const start = (fields: Record<string, unknown>): Record<string, unknown> => ({
	op: 'fetch_start',
	id: 'a',
	url,
	method: 'POST',
	headers: { 'X-Key': 'k' },
	body: 'hello',
	out_file: out('a'),
	max_bytes: 1000,
	timeout_ms: 5000,
	...fields,
});

describe('fetching for PHP', () => {
	const guarded = createGuardedFetch({ allowPrivate: true });
	afterAll(() => guarded.close());
	const seam = (): { send: (message: unknown) => Promise<Record<string, unknown>> } => {
		const host = new HostFetch(guarded, join(dir, 'import'));
		return { send: async (message) => JSON.parse(await host.handle(JSON.stringify(message))) as Record<string, unknown> };
	};

	it('answers at once, and hands the answer over as a file', async () => {
		const { send } = seam();
		expect(await send(start({}))).toEqual({ ok: true });
		expect(await send({ op: 'fetch_wait', timeout_ms: 5000 })).toEqual({
			id: 'a',
			status: 200,
			headers: expect.objectContaining({ 'content-type': 'application/octet-stream' }),
			bytes: 12,
			file: out('a'),
		});
		expect(readFileSync(out('a'), 'utf8')).toBe('POST k hello');
		expect(await send({ op: 'fetch_wait', timeout_ms: 5000 })).toEqual({ none: true });
	});

	it('keeps several in flight, and tells them in the order they end', async () => {
		const { send } = seam();
		peak = 0;
		for (const [id, ms] of [
			['slow', 400],
			['quick', 50],
			['middle', 200],
		] as const)
			await send(start({ id, url: `${url}?ms=${ms}`, out_file: out(id) }));
		const ids = [];
		for (let i = 0; i < 3; i++) ids.push((await send({ op: 'fetch_wait', timeout_ms: 5000 })).id);
		expect(ids).toEqual(['quick', 'middle', 'slow']);
		expect(peak).toBe(3);
	});

	it('says none when nothing ends in time, and goes on', async () => {
		const { send } = seam();
		await send(start({ url: `${url}?ms=300` }));
		expect(await send({ op: 'fetch_wait', timeout_ms: 20 })).toEqual({ none: true });
		expect(await send({ op: 'fetch_wait', timeout_ms: 5000 })).toMatchObject({ id: 'a', status: 200 });
	});

	it('tells a status as an answer, and a fault by its code', async () => {
		const { send } = seam();
		await send(start({ url: `${url}?status=403` }));
		expect(await send({ op: 'fetch_wait', timeout_ms: 5000 })).toMatchObject({ id: 'a', status: 403 });
		await send(start({ url: `${url}?size=5000`, out_file: out('large') }));
		expect(await send({ op: 'fetch_wait', timeout_ms: 5000 })).toMatchObject({ id: 'a', error: 'answer_too_large' });
		expect(existsSync(out('large'))).toBe(false);
		await send(start({ url: `${url}?hang=1`, timeout_ms: 300 }));
		expect(await send({ op: 'fetch_wait', timeout_ms: 5000 })).toMatchObject({ id: 'a', error: 'source_timeout' });
		await send(start({ url: 'http://127.0.0.1:1/' }));
		expect(await send({ op: 'fetch_wait', timeout_ms: 5000 })).toMatchObject({ id: 'a', error: 'source_unavailable' });
	});

	it('forgets what was cancelled', async () => {
		const { send } = seam();
		await send(start({ url: `${url}?ms=200` }));
		expect(await send({ op: 'fetch_cancel' })).toEqual({ ok: true });
		await send(start({ id: 'b', out_file: out('b') }));
		expect(await send({ op: 'fetch_wait', timeout_ms: 5000 })).toMatchObject({ id: 'b' });
		expect(await send({ op: 'fetch_wait', timeout_ms: 400 })).toEqual({ none: true });
	});

	it('touches files of the import folder only', async () => {
		const { send } = seam();
		writeFileSync(join(dir, 'outside'), 'secret');
		symlinkSync(join(dir, 'outside'), out('link'));
		symlinkSync(dir, join(dir, 'import', 'up'));
		for (const path of [
			join(dir, 'outside'),
			'/etc/passwd',
			`${out('x')}/../../../outside`,
			out('link'),
			join(dir, 'import', 'up', 'outside'),
			'relative',
			out(''),
		]) {
			expect([path, await send(start({ out_file: path }))]).toEqual([path, expect.objectContaining({ error: 'bad_message' })]);
			expect([path, await send(start({ body: undefined, body_file: path }))]).toEqual([
				path,
				expect.objectContaining({ error: 'bad_message' }),
			]);
		}
		expect(readFileSync(join(dir, 'outside'), 'utf8')).toBe('secret');
	});

	it('refuses private addresses unless they are allowed', async () => {
		const strict = createGuardedFetch({ allowPrivate: false });
		const host = new HostFetch(strict, join(dir, 'import'));
		await host.handle(JSON.stringify(start({})));
		expect(JSON.parse(await host.handle('{"op":"fetch_wait","timeout_ms":5000}'))).toMatchObject({ id: 'a', error: 'source_not_allowed' });
		await strict.close();
	});

	it('answers a message it does not know', async () => {
		const host = new HostFetch(guarded, join(dir, 'import'));
		for (const message of ['', 'x', '{}', '{"op":"eval"}', '{"op":"fetch_wait"}', JSON.stringify(start({ url: 5 }))]) {
			expect(JSON.parse(await host.handle(message))).toMatchObject({ error: 'bad_message' });
		}
	});

	describe.each(['7.4', '8.4'] as const)('from PHP %s', (version) => {
		let php: PHP;
		beforeAll(async () => {
			const host = new HostFetch(guarded, join(dir, 'import'));
			php = await createPhp({
				version,
				mounts: [dir],
				tmpDir: join(dir, 'tmp'),
				ini: {},
				network: openNetwork,
				locks: new FileLockManagerInMemory(),
				symlinks: false,
				onMessage: (message) => host.handle(message),
			});
		});
		afterAll(() => php.exit());

		it('suspends PHP while requests run, several at once', async () => {
			peak = 0;
			const code = `<?php
				$post = function ( $message ) { return json_decode( post_message_to_js( json_encode( $message ) ), true ); };
				for ( $i = 0; $i < 4; $i++ ) {
					$post( array( 'op' => 'fetch_start', 'id' => "r$i", 'url' => '${url}?ms=' . ( 400 - 100 * $i ), 'body' => str_repeat( 'ä', $i ), 'out_file' => '${dir}/import/chunks/php-' . $i, 'max_bytes' => 1000, 'timeout_ms' => 5000 ) );
				}
				$got = array();
				while ( ! isset( ( $answer = $post( array( 'op' => 'fetch_wait', 'timeout_ms' => 5000 ) ) )['none'] ) ) {
					$got[] = $answer['id'] . '=' . file_get_contents( $answer['file'] );
				}
				echo json_encode( $got );`;
			let ticks = 0;
			const timer = setInterval(() => {
				ticks += 1;
			}, 10);
			const output = await runPhp(php, { code });
			clearInterval(timer);
			expect(JSON.parse(output.stdout)).toEqual([
				'r3=POST undefined äää',
				'r2=POST undefined ää',
				'r1=POST undefined ä',
				'r0=POST undefined ',
			]);
			expect(peak).toBe(4);
			// The event loop went on while PHP waited.
			expect(ticks).toBeGreaterThan(3);
		});
	});
});
