import { describe, expect, it } from 'vitest';
import { parseServeSettings } from '../../bin/serve/settings.ts';

const KUBERNETES = [
	'--host',
	'kubernetes',
	'--clone-image',
	'clone:1',
	'--clone-wordpress',
	'7.1.1',
	'--clone-domain',
	'clones.example.com',
];
const SECRET = 'correct horse';

/** What is said about the arguments, without the usage. */
function faults(argv: readonly string[], environment: Readonly<Record<string, string>> = {}): string[] {
	try {
		parseServeSettings(argv, environment);
	} catch (error) {
		return error instanceof Error ? (error.message.split('\n\n')[0] ?? '').split('\n') : [];
	}
	return [];
}

describe('--mysql', () => {
	it('is none unless asked for', () => {
		expect(parseServeSettings(KUBERNETES, { WP_CLONE_MYSQL_PASSWORD: SECRET }).mysql).toBe(null);
	});

	it('names the server; the password comes from the environment or a file', () => {
		expect(parseServeSettings([...KUBERNETES, '--mysql', 'mysql://svc@db.internal'], { WP_CLONE_MYSQL_PASSWORD: SECRET }).mysql).toEqual({
			host: 'db.internal',
			port: 3306,
			user: 'svc',
			prefix: 'clone',
			password: { value: SECRET },
			tls: null,
		});
		const full = [
			...KUBERNETES,
			'--mysql',
			'mysql://svc%40x@db.internal:3307/stage2',
			'--mysql-password-file',
			'/run/pw',
			'--mysql-ca',
			'/run/ca.pem',
		];
		expect(parseServeSettings(full, {}).mysql).toEqual({
			host: 'db.internal',
			port: 3307,
			user: 'svc@x',
			prefix: 'stage2',
			password: { file: '/run/pw' },
			tls: { caFile: '/run/ca.pem' },
		});
	});

	it.each([
		[
			'a password in the address',
			[...KUBERNETES, '--mysql', `mysql://svc:${encodeURIComponent(SECRET)}@db`, '--mysql-password-file', 'x'],
			'holds a password',
		],
		['no password', [...KUBERNETES, '--mysql', 'mysql://svc@db'], 'needs a password'],
		['no user', [...KUBERNETES, '--mysql', 'mysql://db'], 'mysql://USER@HOST'],
		['another kind of server', [...KUBERNETES, '--mysql', 'postgres://svc@db'], 'mysql://USER@HOST'],
		['an escape that is none', [...KUBERNETES, '--mysql', 'mysql://s%zz@db'], 'mysql://USER@HOST'],
		[
			'an address with encryption',
			[...KUBERNETES, '--mysql', 'mysql://svc@[2001:db8::1]', '--mysql-password-file', 'x', '--mysql-tls'],
			'by its name',
		],
		['no address', [...KUBERNETES, '--mysql', 'db'], 'mysql://USER@HOST'],
		['a prefix that is none', [...KUBERNETES, '--mysql', 'mysql://svc@db/Clone_', '--mysql-password-file', 'x'], 'prefix'],
		['clones on this machine', ['--mysql', 'mysql://svc@db', '--mysql-password-file', 'x'], 'needs --host kubernetes'],
		['a password without a server', [...KUBERNETES, '--mysql-password-file', 'x'], '--mysql-password-file needs --mysql'],
	])('refuses %s, in a sentence without the password', (_, argv, sentence) => {
		const said = faults(argv);
		expect(said.join('\n')).toContain(sentence);
		expect(said.join('\n')).not.toContain(SECRET.split(' ')[1]);
		expect(said.length).toBe(1);
	});
});
