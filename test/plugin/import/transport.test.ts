import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BarePhp, barePhp } from './support/bare-php.ts';

interface Answer {
	readonly id: string;
	readonly status?: number;
	readonly error?: string;
	readonly body?: string;
	readonly headers?: Readonly<Record<string, string>>;
}

/** What a test server got; answers by path. */
function startServer(): { server: Server; paths: string[]; bodies: string[] } {
	const paths: string[] = [];
	const bodies: string[] = [];
	const server = createServer((request, response) => {
		const path = request.url ?? '';
		paths.push(path);
		let body = '';
		request.on('data', (chunk: Buffer) => {
			body += chunk.toString();
		});
		request.on('end', () => {
			bodies.push(`${request.method} ${request.headers['x-test'] ?? ''} ${body}`);
			if (path === '/echo') response.writeHead(200, { 'Retry-After': '7', 'Content-Type': 'text/plain' }).end(`got ${body}`);
			else if (path === '/redirect') response.writeHead(302, { location: '/echo' }).end('moved');
			else if (path === '/large') response.end('x'.repeat(300_000));
			else if (path === '/cut') {
				response.writeHead(200, { 'content-length': '1000' }).write('half');
				setTimeout(() => response.destroy(), 20);
			} else if (path === '/busy') response.writeHead(503).end('busy');
			// '/silent' is never answered.
		});
	});
	return { server, paths, bodies };
}

describe.each(['7.4', '8.4'] as const)('transports, on PHP %s', (version) => {
	let php: BarePhp;
	let url: string;
	const { server, paths, bodies } = startServer();
	beforeAll(async () => {
		php = await barePhp(version);
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
		url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	});
	afterAll(async () => {
		await php.stop();
		server.closeAllConnections();
		server.close();
	});

	/** Starts all requests, then waits for each answer. */
	const fetchAll = async (
		transport: string,
		requests: readonly Readonly<Record<string, unknown>>[],
	): Promise<Partial<Record<string, Answer>>> => {
		const answers = await php.json<Answer[]>(`
			$transport = ${transport};
			$requests = json_decode( base64_decode( '${Buffer.from(JSON.stringify(requests)).toString('base64')}' ), true );
			foreach ( $requests as $i => $request ) {
				$transport->start( $request + array( 'headers' => array( 'X-Test' => 'yes' ), 'body' => '{"a":"ä"}', 'out_file' => DIR . '/' . bin2hex( random_bytes( 8 ) ), 'max_bytes' => 1000000, 'timeout_ms' => 20000 ) );
			}
			$answers = array();
			for ( $i = 0; $i < 400 && count( $answers ) < count( $requests ); $i++ ) {
				$answer = $transport->wait( 200 );
				if ( null !== $answer ) {
					if ( isset( $answer['file'] ) ) {
						$answer['body'] = file_get_contents( $answer['file'] );
						if ( strlen( $answer['body'] ) !== $answer['bytes'] ) { throw new Exception( 'bytes' ); }
						if ( strlen( $answer['body'] ) > 1000 ) { $answer['body'] = md5( $answer['body'] ); }
					}
					$answers[] = $answer;
				}
			}
			echo json_encode( $answers );`);
		return Object.fromEntries(answers.map((answer) => [answer.id, answer]));
	};

	describe.each([
		['the host', 'new Custom_Migrator_Transport_Host()'],
		['curl', 'new Custom_Migrator_Transport_Curl( true )'],
	])('by %s', (_, transport) => {
		test('several requests at once, each answer in its file', async () => {
			const answers = await fetchAll(transport, [
				{ id: 'one', url: `${url}/echo` },
				{ id: 'two', url: `${url}/large` },
				{ id: 'three', url: `${url}/busy` },
			]);
			expect(answers.one).toMatchObject({ status: 200, body: 'got {"a":"ä"}', headers: { 'retry-after': '7' } });
			expect(answers.two?.status).toBe(200);
			expect(answers.two?.body).toMatch(/^[0-9a-f]{32}$/);
			expect(answers.three).toMatchObject({ status: 503, body: 'busy' });
			expect(bodies).toContain('POST yes {"a":"ä"}');
		});

		test('a redirect is an answer, not followed', async () => {
			const before = paths.length;
			const answers = await fetchAll(transport, [{ id: 'r', url: `${url}/redirect` }]);
			expect(answers.r?.status).toBe(302);
			expect(paths.slice(before)).toEqual(['/redirect']);
		});

		test('what fails is told apart', async () => {
			const answers = await fetchAll(transport, [
				{ id: 'large', url: `${url}/large`, max_bytes: 1000 },
				{ id: 'silent', url: `${url}/silent`, timeout_ms: 400 },
				{ id: 'closed', url: 'http://127.0.0.1:1/' },
				{ id: 'cut', url: `${url}/cut` },
			]);
			expect(answers.large?.error).toBe('answer_too_large');
			expect(answers.silent?.error).toBe('source_timeout');
			expect(answers.closed?.error).toBe('source_unavailable');
			expect(answers.cut?.error).toMatch(/^(source_unavailable|bad_answer)$/);
		});

		test('what was given up is not answered any more', async () => {
			const left = await php.json<unknown[]>(`$transport = ${transport};
				$transport->start( array( 'id' => 'a', 'url' => '${url}/echo', 'headers' => array(), 'body' => '{}', 'out_file' => DIR . '/' . bin2hex( random_bytes( 8 ) ), 'max_bytes' => 1000, 'timeout_ms' => 5000 ) );
				$transport->cancel_all();
				$transport->start( array( 'id' => 'b', 'url' => '${url}/echo', 'headers' => array(), 'body' => '{}', 'out_file' => DIR . '/' . bin2hex( random_bytes( 8 ) ), 'max_bytes' => 1000, 'timeout_ms' => 5000 ) );
				$ids = array(); for ( $i = 0; $i < 10; $i++ ) { $answer = $transport->wait( 100 ); if ( $answer ) { $ids[] = $answer['id']; } }
				echo json_encode( $ids );`);
			expect(left).toEqual(['b']);
		});
	});

	test('curl connects to public addresses only, whatever they are called', async () => {
		const before = paths.length;
		const port = new URL(url).port;
		const urls = [
			`${url}/echo`,
			'http://10.0.0.1/',
			'http://[::1]/',
			'http://[::ffff:127.0.0.1]/',
			'http://169.254.169.254/latest/',
			'http://0x7f000001/',
			'http://2130706433/',
			'http://127.1/',
			'http://localhost/',
			`http://localhost:${port}/echo`,
			'http://8.8.8.8:22/',
			'http://u:p@8.8.8.8/',
			'ftp://8.8.8.8/',
			'file:///etc/passwd',
			'http:///x',
		];
		const answers = await fetchAll(
			'new Custom_Migrator_Transport_Curl( false )',
			urls.map((each, i) => ({ id: `u${i}`, url: each })),
		);
		expect(urls.map((each, i) => [each, answers[`u${i}`]?.error])).toEqual(urls.map((each) => [each, 'source_not_allowed']));
		expect(paths.length).toBe(before);
	});

	test.each([
		['8.8.8.8', true],
		['1.1.1.1', true],
		['2606:4700::1111', true],
		['0.0.0.0', false],
		['10.255.255.255', false],
		['11.0.0.0', true],
		['100.64.0.1', false],
		['100.128.0.1', true],
		['172.31.255.255', false],
		['172.32.0.0', true],
		['192.0.0.8', false],
		['192.168.1.1', false],
		['198.19.255.255', false],
		['224.0.0.1', false],
		['255.255.255.255', false],
		['::', false],
		['::1', false],
		['::ffff:8.8.8.8', false],
		['64:ff9b::808:808', false],
		['fc00::1', false],
		['fe80::1', false],
		['ff02::1', false],
		['2001:db8::1', false],
		['2002:7f00:1::', false],
		['2001:0:1::', false],
		['3fff::1', false],
		['not an address', false],
	])('%s is public: %s', async (address, expected) => {
		expect(await php.json(`echo json_encode( @Custom_Migrator_Public_Address::is_public( '${address}' ) );`)).toBe(expected);
	});
});
