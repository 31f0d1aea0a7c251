/** `npm run bench -- NAME [--json] [options]`: one benchmark, a table for people; with `--json` the last line is one JSON object. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface Benchmark {
	run(options: { json: boolean; args: readonly string[] }): Promise<Record<string, number | string | boolean | null>>;
}

const [name = '', ...args] = process.argv.slice(2);
const file = join(import.meta.dirname, `${name}.ts`);
if (!/^[a-z]+$/.test(name) || name === 'run' || !existsSync(file)) {
	const names = readdirSync(import.meta.dirname)
		.filter((entry) => /^[a-z]+\.ts$/.test(entry) && entry !== 'run.ts')
		.map((entry) => entry.slice(0, -3));
	console.error(`Say which benchmark: npm run bench -- ${names.join(' | ')}`);
	process.exit(2);
}
const benchmark = (await import(pathToFileURL(file).href)) as Benchmark;
const json = args.includes('--json');
const figures = await benchmark.run({ json, args });
if (json) console.log(JSON.stringify(figures));
