/** `npm run token -- NAME [--data DIR]`: makes a token for one more owner. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createToken } from '../adapters/embedded/api-tokens.ts';

try {
	const { values, positionals } = parseArgs({ allowPositionals: true, options: { data: { type: 'string', default: '.data' } } });
	const [name, ...rest] = positionals;
	if (name === undefined || rest.length > 0) throw new Error('npm run token -- NAME [--data DIR]');
	console.log(await createToken(resolve(values.data), name));
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	process.exit(1);
}
