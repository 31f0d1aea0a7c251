import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BarePhp, barePhp } from './support/bare-php.ts';

describe('what the importer writes', () => {
	let php: BarePhp;
	beforeAll(async () => {
		php = await barePhp('8.4');
		mkdirSync(join(php.dir, 'outside'));
	});
	afterAll(() => php.stop());

	const write = async (path: string, root = 'jail'): Promise<string> =>
		php.run(`$jail = new Custom_Migrator_Jailed_Writer( DIR . '/${root}' );
			try { $jail->write_at( base64_decode( '${Buffer.from(path).toString('base64')}' ), 0, 'x' ); echo 'written'; } catch ( Custom_Migrator_Import_Error $error ) { echo $error->error_code(); }`);

	test.each([
		'../escaped',
		'a/../../escaped',
		'a/./b',
		'/etc/escaped',
		'',
		'a//b',
		'a/',
		'..',
		'.',
		'a\0b',
		'a\\..\\escaped',
		`${'n'.repeat(256)}`,
		`${'d/'.repeat(2000)}x`,
	])('refuses %j', async (path) => {
		expect(await write(path)).toBe('unsafe_path');
		expect(existsSync(join(php.dir, 'escaped'))).toBe(false);
	});

	test.each(['plain.txt', 'deep/er/file', 'spaces and ümläute/漢字 😀.jpg', '...', '..a/b..', 'quote\'s " & $(x) ;', '-rf', 'new\nline'])(
		'takes %j',
		async (path) => {
			expect(await write(path)).toBe('written');
			expect(readFileSync(join(php.dir, 'jail', path), 'utf8')).toBe('x');
		},
	);

	test('follows no link, neither as a folder nor as the file', async () => {
		mkdirSync(join(php.dir, 'linked'));
		symlinkSync(join(php.dir, 'outside'), join(php.dir, 'linked', 'folder'));
		writeFileSync(join(php.dir, 'outside', 'file'), 'untouched');
		symlinkSync(join(php.dir, 'outside', 'file'), join(php.dir, 'linked', 'file'));
		expect(await write('folder/x', 'linked')).toBe('unsafe_path');
		expect(await write('file', 'linked')).toBe('unsafe_path');
		expect(existsSync(join(php.dir, 'outside', 'x'))).toBe(false);
		expect(readFileSync(join(php.dir, 'outside', 'file'), 'utf8')).toBe('untouched');
	});

	test('a sealed file has its size, time, mode, and the hash of what is on the disk', async () => {
		const hash = await php.run(`$jail = new Custom_Migrator_Jailed_Writer( DIR . '/jail' );
			$jail->write_at( 's/f', 0, 'longer than it should be' ); echo $jail->seal( 's/f', 6, 1500000000 );`);
		expect(hash).toBe(createHash('sha256').update('longer').digest('hex'));
		const stats = statSync(join(php.dir, 'jail/s/f'));
		expect([stats.size, Math.floor(stats.mtimeMs / 1000), stats.mode & 0o777]).toEqual([6, 1500000000, 0o644]);
	});

	test.each([
		['content', 'db.php', false],
		['content', 'Object-Cache.php', false],
		['content', 'advanced-cache.php', false],
		['content', 'sunrise.php', false],
		['content', 'mu-plugins/0-clone-guard.php', false],
		['content', 'database/.ht.sqlite', false],
		['content', 'database/.ht.sqlite-wal', false],
		['content', 'plugins/x/db.php', true],
		['content', 'database/export.csv', true],
		['content', 'index.php', true],
		['core', 'wp-config.php', false],
		['core', 'WP-Config.php', false],
		['core', 'robots.txt', false],
		['core', 'wp-content/x.php', false],
		['core', '.htaccess', false],
		['core', 'x.phar', false],
		['core', 'wp-includes/version.php', true],
		['core', 'google123.html', true],
		['uploads', '2024/01/x.jpg', true],
		['other', 'x', false],
	])('of the root %s, %s is taken: %s', async (root, path, taken) => {
		expect(await php.json(`echo json_encode( null === Custom_Migrator_File_Rules::refused( '${root}', '${path}' ) );`)).toBe(taken);
	});

	const REQUEST = {
		source: {
			agent_url: 'https://a.com/wp-admin/admin-ajax.php',
			key_id: 'j',
			agent_key: Buffer.alloc(32, 1).toString('base64'),
			url: 'https://a.com',
		},
		target: { url: 'http://127.0.0.1:1/' },
		job_id: 'clone-1',
		admin: { username: 'me', password: 'secret' },
	};
	test.each([
		['as it should be', {}, 'good'],
		['without a source', { source: undefined }, 'bad_arguments'],
		['with a key that is too short', { source: { ...REQUEST.source, agent_key: 'AAAA' } }, 'bad_arguments'],
		['with another scheme', { source: { ...REQUEST.source, agent_url: 'file:///etc/passwd' } }, 'bad_arguments'],
		['with a user name in the address', { source: { ...REQUEST.source, agent_url: 'https://u:p@a.com/' } }, 'bad_arguments'],
		['with a user name that is markup', { admin: { username: '<b>', password: 'x' } }, 'bad_arguments'],
		['with a password that bcrypt would cut', { admin: { username: 'a', password: 'x'.repeat(73) } }, 'bad_arguments'],
		['with a host that is none', { allow_hosts: ['a b'] }, 'bad_arguments'],
		['with an expiry in milliseconds', { expires_at: 1_800_000_000_000 }, 'bad_arguments'],
		['with a job id that is a path', { job_id: '../x' }, 'bad_arguments'],
	])('a request %s', async (_, changes, expected) => {
		const json = Buffer.from(JSON.stringify({ ...REQUEST, ...changes })).toString('base64');
		const code = await php.run(
			`try { Custom_Migrator_Import_Request::checked( json_decode( base64_decode( '${json}' ), true ) ); echo 'good'; } catch ( Custom_Migrator_Import_Error $error ) { echo $error->error_code(); }`,
		);
		expect(code).toBe(expected);
	});
});
