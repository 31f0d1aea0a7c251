import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { ManagedMysqlDatabases, type OpenDatabases } from '../../adapters/aws/managed-mysql-databases.ts';
import { secretText, signedHeaders } from '../../adapters/aws/secrets-manager.ts';
import type { MysqlServer } from '../../adapters/mysql/mysql-clone-databases.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };

describe('a request to Secrets Manager', () => {
	const request = {
		host: 'secretsmanager.eu-central-1.amazonaws.com',
		target: 'secretsmanager.GetSecretValue',
		body: '{"SecretId":"arn:x"}',
		region: 'eu-central-1',
		credentials,
		now: NOW,
	};

	// Both signatures were made by botocore 1.43.106 (SigV4Auth) from the same input.
	it('is signed as botocore signs', () => {
		expect(signedHeaders(request)).toEqual({
			'content-type': 'application/x-amz-json-1.1',
			'x-amz-date': '20260102T030405Z',
			'x-amz-target': 'secretsmanager.GetSecretValue',
			authorization:
				'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-central-1/secretsmanager/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=acecc5fe9727765d22eaaebaa8e8e243a3e2f582008efa8dd5866c276c31e3e1',
		});
	});

	it('carries a session token, signed along', () => {
		const headers = signedHeaders({
			...request,
			credentials: { ...credentials, sessionToken: 'FwoGZXIvYXdzEXAMPLE//token+with/odd==chars' },
		});
		expect(headers.authorization).toContain('content-type;host;x-amz-date;x-amz-security-token;x-amz-target');
		expect(headers.authorization).toMatch(/Signature=a9b9a3dbfa0f2571d8c186977602e346fd188cd650a8901e00c547811b8a5459$/);
	});
});

describe('reading a secret', () => {
	let server: Server | undefined;
	afterEach(() => server?.close());

	/** Answers every request with this. @returns what was asked, and how to ask */
	async function answering(status: number, body: string) {
		const asked: { headers: IncomingMessage['headers']; body: string }[] = [];
		const made = createServer(async (request, response) => {
			asked.push({ headers: request.headers, body: await text(request) });
			response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(body);
		});
		server = made;
		await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
		const options = {
			region: async () => 'eu-central-1',
			credentials: async () => credentials,
			clock: { now: () => NOW },
			endpoint: `http://127.0.0.1:${(made.address() as AddressInfo).port}`,
		};
		return { asked, read: () => secretText(options, 'arn:aws:secretsmanager:eu-central-1:1:secret:rds') };
	}

	it('asks for it by its ARN', async () => {
		const { asked, read } = await answering(200, '{"SecretString":"{\\"username\\":\\"admin\\"}"}');
		expect(await read()).toBe('{"username":"admin"}');
		expect(asked).toHaveLength(1);
		expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ SecretId: 'arn:aws:secretsmanager:eu-central-1:1:secret:rds' });
		expect(asked[0]?.headers['x-amz-target']).toBe('secretsmanager.GetSecretValue');
	});

	it.each([
		[400, '{"__type":"AccessDeniedException"}', PermanentError, 'aws_forbidden'],
		[400, '{"__type":"com.amazonaws#ResourceNotFoundException"}', PermanentError, 'aws_resource_missing'],
		[400, '{"__type":"ThrottlingException"}', TransientError, 'aws_throttled'],
		[500, '{"__type":"InternalServiceError"}', TransientError, 'aws_unavailable'],
		[502, '<html>', TransientError, 'aws_unavailable'],
		[200, '{"SecretBinary":"AA=="}', TransientError, 'aws_unavailable'],
	])('answered %i %s is what it is everywhere', async (status, body, kind, code) => {
		const { read } = await answering(status, body);
		const error = await read().catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(kind);
		expect(error).toMatchObject({ code });
	});
});

describe('a MySQL server whose password changes', () => {
	const refused = () => new TransientError('database_login_refused', 'Refused.');

	function rotating(passwords: readonly string[]) {
		let current = passwords[0] ?? '';
		const log: string[] = [];
		const opened: MysqlServer[] = [];
		const databases = new ManagedMysqlDatabases({
			server: { host: 'db', port: 3306, prefix: 'clone', tls: null },
			secret: async () => {
				log.push('read');
				return JSON.stringify({ username: 'admin', password: current });
			},
			open: (server): OpenDatabases => {
				opened.push(server);
				const check = (): void => {
					if (server.password !== current) throw refused();
				};
				return {
					create: async (slotId) => {
						check();
						return { host: server.host, port: server.port, name: slotId, user: slotId, password: 'x', tls: false };
					},
					drop: async () => check(),
					list: async () => {
						check();
						return [];
					},
					close: async () => void log.push('close'),
				};
			},
		});
		return { databases, log, opened, change: (password: string) => (current = password) };
	}

	it('is asked for its login once', async () => {
		const { databases, log, opened } = rotating(['one']);
		await Promise.all([databases.create('a'), databases.list(), databases.drop('a')]);
		expect(log).toEqual(['read']);
		expect(opened).toEqual([{ host: 'db', port: 3306, prefix: 'clone', tls: null, user: 'admin', password: 'one' }]);
		await databases.close();
		expect(log).toEqual(['read', 'close']);
	});

	it('is asked again when it refuses, once for all that were refused', async () => {
		const { databases, log, change } = rotating(['one']);
		await databases.list();
		change('two');
		await Promise.all([databases.create('a'), databases.create('b'), databases.list()]);
		expect(log.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['close', 'read', 'read']);
	});

	it('that goes on refusing is told so', async () => {
		const { databases, change } = rotating(['one']);
		await databases.list();
		const stuck = new ManagedMysqlDatabases({
			server: { host: 'db', port: 3306, prefix: 'clone', tls: null },
			secret: async () => '{"username":"admin","password":"old"}',
			open: () => ({
				create: async () => Promise.reject(refused()),
				drop: async () => Promise.reject(refused()),
				list: async () => Promise.reject(refused()),
				close: async () => {},
			}),
		});
		change('two');
		await expect(stuck.list()).rejects.toMatchObject({ code: 'database_login_refused' });
	});

	it('with a secret that cannot be read is tried anew, and says nothing of it', async () => {
		const answers = ['not JSON: hunter2', '{"username":"admin","password":"one"}'];
		const databases = new ManagedMysqlDatabases({
			server: { host: 'db', port: 3306, prefix: 'clone', tls: null },
			secret: async () => answers.shift() ?? '',
			open: () => ({ create: async () => Promise.reject(refused()), drop: async () => {}, list: async () => ['a'], close: async () => {} }),
		});
		const error = await databases.list().catch((thrown: unknown) => thrown);
		expect(error).toMatchObject({ code: 'database_login_missing' });
		expect(error).not.toHaveProperty('cause');
		expect(String(error)).not.toContain('hunter2');
		expect(await databases.list()).toEqual(['a']);
	});
});
