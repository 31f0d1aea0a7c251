/**
 * `npm run test:real [-- mysql | browser | aws | kubernetes | product] [vitest arguments]`: the real parts that need more than Node (Debian, root:
 * installs what it needs). Without a name: those that every change has to pass.
 */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const here = import.meta.dirname;

/** Ends this process with the command's own status when it fails. */
function must(command: string, args: readonly string[]): void {
	const run = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
	if (run.error !== undefined) console.error(`${command}: ${run.error.message}`);
	if (run.status !== 0) process.exit(run.status ?? 1);
}

const SUITES: Readonly<Record<string, (args: readonly string[]) => void>> = {
	mysql(args) {
		must('sh', [join(here, 'mysql/setup.sh')]);
		must(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config', join(here, 'vitest.config.ts'), ...args]);
	},
	browser(args) {
		must('sh', [join(here, 'browser/setup.sh')]);
		must(process.execPath, [
			join(root, 'node_modules/vitest/vitest.mjs'),
			'run',
			'--config',
			join(here, 'browser/vitest.config.ts'),
			...args,
		]);
	},
	aws(args) {
		must(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config', join(here, 'aws/vitest.config.ts'), ...args]);
	},
	kubernetes(args) {
		must(process.execPath, [join(here, 'kubernetes/run.ts'), '--down', ...args]);
	},
	product(args) {
		must(process.execPath, [join(here, 'product/run.ts'), '--down', ...args]);
	},
};
/** `kubernetes` and `product` are run by name: the cluster's programs have to be built first, which takes long where they are not cached. */
const DEFAULT_SUITES = ['mysql', 'browser', 'aws'];

const [name, ...args] = process.argv.slice(2);
if (name !== undefined && SUITES[name] === undefined) {
	console.error(`There is no real suite "${name}". There are: ${Object.keys(SUITES).join(', ')}.`);
	process.exit(2);
}
for (const suite of name === undefined ? DEFAULT_SUITES : [name]) {
	console.log(`== ${suite}`);
	SUITES[suite]?.(args);
}
