import { describe, expect, it } from 'vitest';
import { ConnectionRefusedError, clonePolicy } from '../../../adapters/embedded/playground/php/network-policy.ts';
import { PhpPool } from '../../../adapters/embedded/playground/php/pool.ts';
import { nearestPhp } from '../../../adapters/embedded/playground/php/runtime.ts';
import { isSameProcess, processIdentity } from '../../../adapters/embedded/playground/process-identity.ts';

describe('the PHP version of a clone', () => {
	it.each([
		['7.4.33', '7.4'],
		['8.0', '8.2'],
		['8.3.1', '8.4'],
		['8.4', '8.4'],
		['8.9', '8.5'],
		['5.6', '7.4'],
		[null, '8.4'],
		['nonsense', '8.4'],
	])('is for %s the nearest installed: %s', (wanted, taken) => {
		expect(nearestPhp(wanted)).toBe(taken);
	});
});

describe('what a clone may connect to', () => {
	const refused: string[] = [];
	const policy = (allowPrivate: boolean) =>
		clonePolicy({
			self: () => ({ host: '127.0.0.1', port: 41001 }),
			allowHosts: () => ['api.partner.example', '10.1.2.3', '93.184.215.14'],
			allowPrivate,
			onRefused: (host, port) => refused.push(`${host}:${port}`),
		});
	const allowed = (host: string, port: number, allowPrivate = false): boolean => {
		try {
			policy(allowPrivate)
				.connect(host, port)
				.on('error', () => {})
				.destroy();
			return true;
		} catch (cause) {
			expect(cause).toBeInstanceOf(ConnectionRefusedError);
			return false;
		}
	};

	it.each([
		['api.wordpress.org', 443, true],
		['DOWNLOADS.WordPress.org', 80, true],
		['wordpress.org', 443, true],
		['wordpress.org', 8080, false],
		['evilwordpress.org', 443, false],
		['wordpress.org.evil.example', 443, false],
		['api.partner.example', 443, true],
		['sub.api.partner.example', 443, false],
		['api.partner.example', 25, false],
		['127.0.0.1', 41001, true],
		['localhost', 41001, true],
		['127.0.0.1', 41002, false],
		['127.0.0.1', 80, false],
		['::1', 80, false],
		['169.254.169.254', 80, false],
		['10.1.2.3', 80, false],
		['93.184.215.14', 443, true],
		['8.8.8.8', 443, false],
		['', 443, false],
	])('%s:%i → %s', (host, port, expected) => {
		expect(allowed(host, port)).toBe(expected);
	});

	it('takes a private address only when it is listed and private sites are allowed', () => {
		expect([allowed('10.1.2.3', 80, true), allowed('10.1.2.4', 80, true)]).toEqual([true, false]);
		expect(refused).toContain('10.1.2.4:80');
	});

	it('looks up no name that it would not connect to', () => {
		expect([
			policy(false).allowsHost('exfiltrated.evil.example'),
			policy(false).allowsHost('api.wordpress.org'),
			policy(false).allowsHost('localhost'),
		]).toEqual([false, true, true]);
	});
});

describe('the pool of PHP instances', () => {
	const make = (size: number, maxRequests = 100): { pool: PhpPool; exited: string[] } => {
		let made = 0;
		const exited: string[] = [];
		const pool = new PhpPool({
			size,
			maxRequests,
			memory: () => 0,
			create: async () => {
				made += 1;
				const name = `php-${made}`;
				if (name === 'php-9') throw new Error('no memory');
				return { name, exit: () => exited.push(name) } as never;
			},
		});
		return { pool, exited };
	};
	const nameOf = (lease: { php: unknown }): string => (lease.php as { name: string }).name;

	it('uses an instance again, one request at a time', async () => {
		const { pool } = make(1);
		const first = await pool.acquire();
		let second: string | undefined;
		const waiting = pool.acquire().then((lease) => {
			second = nameOf(lease);
			lease.release();
		});
		await Promise.resolve();
		expect(second).toBeUndefined();
		first.release();
		first.release();
		await waiting;
		expect([second, pool.made]).toEqual(['php-1', 1]);
	});

	it('makes as many as are needed at once, never more than its size', async () => {
		const { pool } = make(2);
		const order: string[] = [];
		await Promise.all(
			[1, 2, 3, 4, 5].map(async () => {
				const lease = await pool.acquire();
				order.push(nameOf(lease));
				await new Promise((resolve) => setTimeout(resolve, 5));
				lease.release();
			}),
		);
		expect(new Set(order)).toEqual(new Set(['php-1', 'php-2']));
	});

	it('throws away what crashed, what is worn and what is stale', async () => {
		const { pool, exited } = make(1, 2);
		(await pool.acquire()).release(true);
		expect(exited).toEqual(['php-1']);
		(await pool.acquire()).release();
		(await pool.acquire()).release();
		expect(exited).toEqual(['php-1', 'php-2']);
		const busy = await pool.acquire();
		pool.recycle();
		busy.release();
		expect(exited).toEqual(['php-1', 'php-2', 'php-3']);
	});

	it('goes on when an instance could not be made', async () => {
		const { pool } = make(1);
		for (let i = 0; i < 8; i++) (await pool.acquire()).release(true);
		await expect(pool.acquire()).rejects.toThrow('no memory');
		expect(nameOf(await pool.acquire())).toBe('php-10');
	});

	it('refuses once it is closed, waiting requests too', async () => {
		const { pool, exited } = make(1);
		const busy = await pool.acquire();
		const waiting = pool.acquire();
		pool.close();
		busy.release();
		await expect(waiting).rejects.toThrow('stopping');
		expect(exited).toEqual(['php-1']);
	});
});

describe('the identity of a process', () => {
	it('is the same while it runs, and bound to its command line', () => {
		const identity = processIdentity(process.pid) ?? '';
		expect(identity).not.toBe('');
		expect(processIdentity(process.pid)).toBe(identity);
		expect(isSameProcess(process.pid, identity, 'node')).toBe(true);
		expect(isSameProcess(process.pid, identity, '/no/such/config.json')).toBe(false);
		expect(isSameProcess(process.pid, `${identity}0`, 'node')).toBe(false);
		expect(processIdentity(2 ** 22 + 1)).toBeUndefined();
	});
});
