import { randomBytes } from 'node:crypto';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bootSite, SOURCE_ADMIN, type SourceSite } from '../../support/sites/boot-site.ts';

/** A request whose path reaches the server as written, which fetch does not do. */
async function rawGet(url: string, path: string): Promise<{ status: number; body: string }> {
	const { hostname, port } = new URL(url);
	return new Promise((resolve, reject) => {
		const sent = request({ hostname, port, path }, (response) => {
			let body = '';
			response.on('data', (chunk: Buffer) => {
				body += chunk.toString();
			});
			response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
		});
		sent.on('error', reject);
		sent.end();
	});
}

const ECHO = `<?php
header( 'Content-Type: application/json' );
header( 'X-One: 1' );
setcookie( 'a', '1' );
setcookie( 'b', '2' );
http_response_code( 201 );
echo json_encode( array(
	'server' => array_intersect_key( $_SERVER, array_flip( array( 'REQUEST_METHOD', 'REQUEST_URI', 'QUERY_STRING', 'HTTP_HOST', 'SERVER_NAME', 'SERVER_PORT', 'HTTPS', 'REMOTE_ADDR', 'HTTP_AUTHORIZATION', 'HTTP_X_MIGRATOR_VERB', 'HTTP_PROXY', 'HTTP_X_SNAKE', 'PATH_INFO', 'SCRIPT_NAME', 'SCRIPT_FILENAME', 'DOCUMENT_ROOT', 'CONTENT_TYPE' ) ) ),
	'get' => $_GET, 'post' => $_POST, 'cookie' => $_COOKIE,
	'files' => array_map( function ( $file ) { return array( $file['name'], $file['size'], $file['error'], $file['error'] ? null : sha1_file( $file['tmp_name'] ) ); }, $_FILES ),
	'input' => strlen( file_get_contents( 'php://input' ) ),
) );
`;

describe.each(['7.4', '8.4'])('a WordPress site on PHP %s', (php) => {
	let site: SourceSite;
	beforeAll(async () => {
		site = await bootSite({ php });
		writeFileSync(join(site.dir, 'echo.php'), ECHO);
	});
	afterAll(() => site.stop());
	const get = (path: string, init: RequestInit = {}): Promise<Response> => fetch(site.url + path, { redirect: 'manual', ...init });

	it('runs the PHP version it was asked for', async () => {
		expect(await site.evalPhp('echo PHP_VERSION;')).toMatch(new RegExp(`^${php.replace('.', '\\.')}\\.`));
	});

	it('serves pages by pretty permalinks, and WordPress answers what is not there', async () => {
		const id = await site.evalPhp(
			"echo wp_insert_post( array( 'post_title' => 'A page', 'post_type' => 'page', 'post_status' => 'publish', 'post_content' => 'Said here.' ) );",
		);
		expect(Number(id)).toBeGreaterThan(0);
		const page = await get('/a-page/');
		expect(page.status).toBe(200);
		expect(await page.text()).toContain('Said here.');
		expect((await get('/wp-json/wp/v2/pages')).headers.get('content-type')).toContain('application/json');
		expect((await get('/no-such-page/')).status).toBe(404);
		expect((await get('/wp-admin')).headers.get('location')).toBe('/wp-admin/');
	});

	it('tells PHP the request as a web server does', async () => {
		const response = await get('/echo.php/info/x?b=1&c[]=2', {
			method: 'POST',
			headers: { authorization: 'Basic dTpw', 'x-migrator-verb': 'hello', x_snake: 'no', proxy: 'http://evil.example', cookie: 'k=v' },
			body: new URLSearchParams({ field: 'ä' }),
		});
		expect(response.status).toBe(201);
		expect(response.headers.get('x-one')).toBe('1');
		expect(response.headers.get('x-powered-by')).toBeNull();
		expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
		const { hostname, port, host } = new URL(site.url);
		expect(await response.json()).toEqual({
			server: {
				REQUEST_METHOD: 'POST',
				REQUEST_URI: '/echo.php/info/x?b=1&c[]=2',
				QUERY_STRING: 'b=1&c[]=2',
				HTTP_HOST: host,
				SERVER_NAME: hostname,
				SERVER_PORT: port,
				HTTPS: 'off',
				REMOTE_ADDR: '127.0.0.1',
				HTTP_AUTHORIZATION: 'Basic dTpw',
				HTTP_X_MIGRATOR_VERB: 'hello',
				PATH_INFO: '/info/x',
				SCRIPT_NAME: '/echo.php',
				SCRIPT_FILENAME: join(site.dir, 'echo.php'),
				DOCUMENT_ROOT: site.dir,
				CONTENT_TYPE: 'application/x-www-form-urlencoded;charset=UTF-8',
			},
			get: { b: '1', c: ['2'] },
			post: { field: 'ä' },
			cookie: { k: 'v' },
			files: [],
			input: 'field=%C3%A4'.length,
		});
	});

	it('takes uploads by multipart, byte for byte, and refuses bodies over 64 MiB', async () => {
		const bytes = randomBytes(3 * 1024 * 1024);
		const form = new FormData();
		form.set('upload', new Blob([bytes]), 'data.bin');
		const answer = (await (await get('/echo.php', { method: 'POST', body: form })).json()) as { files: Record<string, unknown> };
		const hash = await site.php.raw(`<?php echo sha1( base64_decode( '${bytes.toString('base64')}' ) );`);
		expect(answer.files).toEqual({ upload: ['data.bin', bytes.length, 0, hash] });
		const tooLarge = await get('/echo.php', { method: 'POST', body: new Uint8Array(64 * 1024 * 1024 + 1) }).catch(
			(cause: unknown) => cause,
		);
		expect(tooLarge instanceof Response ? tooLarge.status : 'closed').toSatisfy((seen) => seen === 413 || seen === 'closed');
		expect((await get('/echo.php')).status).toBe(201);
	});

	it('serves files with their type, ranges and conditions', async () => {
		const bytes = randomBytes(5000);
		writeFileSync(join(site.dir, 'wp-content', 'uploads', 'ä b.png'), bytes);
		const path = '/wp-content/uploads/%C3%A4%20b.png';
		const whole = await get(path);
		expect([whole.status, whole.headers.get('content-type'), whole.headers.get('content-length')]).toEqual([200, 'image/png', '5000']);
		expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
		const part = await get(path, { headers: { range: 'bytes=100-199' } });
		expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 100-199/5000']);
		expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(100, 200))).toBe(true);
		const end = await get(path, { headers: { range: 'bytes=-10' } });
		expect(Buffer.from(await end.arrayBuffer()).equals(bytes.subarray(4990))).toBe(true);
		expect((await get(path, { headers: { range: 'bytes=9000-' } })).status).toBe(416);
		expect((await get(path, { headers: { 'if-none-match': whole.headers.get('etag') ?? '' } })).status).toBe(304);
		expect((await get(path, { method: 'HEAD' })).headers.get('content-length')).toBe('5000');
		expect((await get(path, { method: 'POST' })).status).toBe(405);
		writeFileSync(join(site.dir, 'wp-content', 'uploads', 'empty.txt'), '');
		expect(await (await get('/wp-content/uploads/empty.txt')).text()).toBe('');
	});

	it('hides what a web server must not show', async () => {
		writeFileSync(join(site.dir, '.env'), 'SECRET');
		writeFileSync(join(site.dir, 'wp-content', 'uploads', 'x.PHP'), '<?php echo 1;');
		const database = readFileSync(join(site.dir, 'wp-content', 'database', '.ht.sqlite'));
		writeFileSync(join(site.dir, 'wp-content', 'uploads', 'copy.sqlite'), database);
		for (const path of [
			'/.env',
			'/%2eenv',
			'/.ht/x',
			'/wp-content/database/.ht.sqlite',
			'/wp-content/uploads/copy.sqlite',
			'/wp-content/uploads/x.PHP',
		]) {
			expect([path, (await rawGet(site.url, path)).status]).toEqual([path, 403]);
		}
		for (const path of [
			'/../state/config.json',
			'/wp-includes/../../../state/config.json',
			'/%2e%2e/%2e%2e/state/config.json',
			'/..%2f..%2fstate/config.json',
			'/wp-content/..%5c..%5cx',
			'/a%00b',
			'/%ff',
		]) {
			const answer = await rawGet(site.url, path);
			expect([path, answer.body.includes('stateDir')]).toEqual([path, false]);
			expect([400, 403, 404]).toContain(answer.status);
		}
		expect((await rawGet(site.url, 'http://elsewhere.example/')).status).toBe(400);
	});

	it('lets the administrator log in', async () => {
		const form = new URLSearchParams({ log: SOURCE_ADMIN.username, pwd: SOURCE_ADMIN.password, 'wp-submit': 'Log In', testcookie: '1' });
		const login = await get('/wp-login.php', {
			method: 'POST',
			headers: { cookie: 'wordpress_test_cookie=WP%20Cookie%20check' },
			body: form,
		});
		expect(login.status).toBe(302);
		const cookie = login.headers
			.getSetCookie()
			.map((line) => line.split(';')[0])
			.join('; ');
		const profile = await get('/wp-admin/profile.php', { headers: { cookie } });
		expect(profile.status).toBe(200);
		expect(await profile.text()).toContain('admin@template.invalid');
	});

	it('can call itself over HTTP', async () => {
		const printed = await site.evalPhp(`
			$answer = wp_remote_get( home_url( '/wp-json/' ), array( 'timeout' => 60 ) );
			echo is_wp_error( $answer ) ? $answer->get_error_message() : wp_remote_retrieve_response_code( $answer );`);
		expect(printed).toBe('200');
	});

	it('keeps its database whole under parallel writers, and none is refused', async () => {
		writeFileSync(
			join(site.dir, 'writer.php'),
			`<?php require 'wp-load.php'; global $wpdb;
			for ( $i = 0; $i < 10; $i++ ) {
				$wpdb->query( 'START TRANSACTION' );
				$done = $wpdb->query( "UPDATE $wpdb->options SET option_value = option_value + 1 WHERE option_name = 'counter'" );
				$error = $wpdb->last_error;
				// Suspends this PHP while it holds the write lock, so that the others run into it.
				usleep( 2000 );
				$wpdb->query( 'COMMIT' );
				if ( 1 !== $done || '' !== $error . $wpdb->last_error ) { http_response_code( 500 ); exit( 'failed: ' . $error ); }
			}
			echo 'written';`,
		);
		await site.evalPhp("update_option( 'counter', '0' );");
		const answers = await Promise.all([1, 2, 3, 4].map(async () => (await get('/writer.php')).text()));
		expect(answers).toEqual(['written', 'written', 'written', 'written']);
		expect(await site.evalPhp("echo get_option( 'counter' );")).toBe('40');
		const database = new DatabaseSync(join(site.dir, 'wp-content', 'database', '.ht.sqlite'), { readOnly: true });
		expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
		expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'delete' });
		database.close();
	});

	it('waits for a file lock that another request holds', async () => {
		writeFileSync(
			join(site.dir, 'lock.php'),
			`<?php $file = fopen( __DIR__ . '/wp-content/lock', 'c+' );
			if ( ! flock( $file, LOCK_EX ) ) exit( 'no lock' );
			$n = (int) stream_get_contents( $file );
			usleep( 30000 );
			rewind( $file ); fwrite( $file, (string) ( $n + 1 ) ); fflush( $file );
			flock( $file, LOCK_UN ); echo 'ok';`,
		);
		const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(async () => (await get('/lock.php')).text()));
		expect(answers).toEqual(Array(6).fill('ok'));
		expect(readFileSync(join(site.dir, 'wp-content', 'lock'), 'utf8')).toBe('6');
	});

	it('starts no program, and does not wait for one', async () => {
		const printed = await site.php.raw(`<?php
			$pipes = array();
			exec( 'id', $lines, $code );
			$process = proc_open( 'id', array( array( 'pipe', 'r' ), array( 'pipe', 'w' ), array( 'pipe', 'w' ) ), $pipes );
			$read = is_resource( $process ) ? stream_get_contents( $pipes[1] ) : '';
			echo json_encode( array( $lines, 0 === $code, $read, (string) shell_exec( 'id' ), mail( 'a@b.example', 's', 'm' ) ) );`);
		expect(JSON.parse(printed)).toEqual([[], false, '', '', false]);
	});

	it('survives fatal errors of PHP and crashes of php-wasm', async () => {
		writeFileSync(join(site.dir, 'fatal.php'), '<?php no_such_function();');
		writeFileSync(join(site.dir, 'crash.php'), "<?php function f( $x ) { return array_map( 'f', array( 1 ) ); } f( 1 );");
		// /tmp is in the memory of one PHP: a mark there tells whether the same one answers.
		writeFileSync(join(site.dir, 'mark.php'), "<?php echo (int) file_exists( '/tmp/mark' ); touch( '/tmp/mark' );");
		const marked = async (): Promise<string> => (await get('/mark.php')).text();
		await marked();
		expect((await get('/fatal.php')).status).toBe(500);
		expect(await marked()).toBe('1');
		for (let i = 0; i < 3; i++) {
			expect((await get('/crash.php')).status).toBe(500);
			expect(await marked()).toBe('0');
		}
		expect(readFileSync(site.logFile, 'utf8')).toContain('PHP crashed');
		expect(readFileSync(site.logFile, 'utf8')).toContain('no_such_function');
		const pages = await Promise.all([1, 2, 3].map(async () => (await get('/wp-login.php')).status));
		expect(pages).toEqual([200, 200, 200]);
	});

	it('sees changed code at once', async () => {
		const file = join(site.dir, 'changes.php');
		for (const word of ['first', 'second', 'third!']) {
			writeFileSync(file, `<?php echo '${word}';`);
			expect(await (await get('/changes.php')).text()).toBe(word);
		}
	});

	it('follows links, as an ordinary site does', async () => {
		symlinkSync(join(site.dir, 'license.txt'), join(site.dir, 'wp-content', 'uploads', 'link.txt'));
		expect((await get('/wp-content/uploads/link.txt')).status).toBe(200);
	});
});

describe('options of a source site', () => {
	it('has the prefix, limits and configuration it was asked for', async () => {
		const site = await bootSite({
			tablePrefix: 'x9_',
			uploadLimit: '2M',
			memoryLimit: '96M',
			config: "define( 'DISALLOW_FILE_MODS', true );",
		});
		try {
			const printed = await site.evalPhp(
				"echo $GLOBALS['wpdb']->prefix, ' ', ini_get( 'upload_max_filesize' ), ' ', ini_get( 'memory_limit' ), ' ', (int) DISALLOW_FILE_MODS, ' ', get_option( 'siteurl' ), ' ', (int) user_can( 1, 'manage_options' );",
			);
			expect(printed).toBe(`x9_ 2M 96M 1 ${site.url} 1`);
			expect((await fetch(`${site.url}/wp-login.php`)).status).toBe(200);
		} finally {
			await site.stop();
		}
	});
});
