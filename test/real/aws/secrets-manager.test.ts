import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, type SecretsManagerOptions, secretText } from '../../../adapters/aws/secrets-manager.ts';
import { systemClock } from '../../../adapters/embedded/system.ts';
import { type Emulator, startEmulator } from './support/emulator.ts';

let emulator: Emulator;
let options: SecretsManagerOptions;
beforeAll(async () => {
	emulator = await startEmulator();
	options = {
		region: async () => emulator.region,
		credentials: async () => ({ accessKeyId: 'test', secretAccessKey: 'test' }),
		clock: systemClock,
		endpoint: emulator.url,
	};
});
afterAll(() => emulator.stop());

it('reads a secret that Secrets Manager keeps', async () => {
	const made = (await call(options, 'CreateSecret', { Name: 'rds', SecretString: '{"username":"admin","password":"p"}' })) as {
		ARN: string;
	};
	expect(await secretText(options, made.ARN)).toBe('{"username":"admin","password":"p"}');
	await expect(secretText(options, `${made.ARN}x`)).rejects.toMatchObject({ code: 'aws_resource_missing' });
});
