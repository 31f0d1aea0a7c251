/** cfn-lint, installed once outside the work tree. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const PACKAGE = 'cfn-lint==1.58.0';
/** Says that a DependsOn is implied by a reference: CDK writes both. */
const IGNORED = ['W3005'];

export interface LintFinding {
	readonly Level: string;
	readonly Message: string;
	readonly Filename: string;
	readonly Rule: { readonly Id: string };
	readonly Location: { readonly Path?: readonly (string | number)[] };
}

/** @returns the program. @throws Error that says what is missing */
function installCfnLint(environment: Readonly<Record<string, string | undefined>>): string {
	const home = join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'wp-clone', PACKAGE.replace('==', '-'));
	const program = join(home, 'bin', 'cfn-lint');
	const finished = join(home, 'installed');
	if (existsSync(finished)) return program;
	if (spawnSync('python3', ['-c', 'import venv, ensurepip']).status !== 0) {
		throw new Error('cfn-lint needs Python 3.9 or newer with venv: apt-get install python3-venv.');
	}
	rmSync(home, { recursive: true, force: true });
	mkdirSync(home, { recursive: true });
	for (const [command, args] of [
		['python3', ['-m', 'venv', home]],
		[join(home, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', PACKAGE]],
	] as const) {
		const run = spawnSync(command, args, { encoding: 'utf8' });
		if (run.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${run.stderr}`);
	}
	writeFileSync(finished, `${PACKAGE}\n`);
	return program;
}

/** @returns what it finds in the templates, errors and warnings. @throws Error when it could not look */
export function cfnLint(templates: readonly string[]): readonly LintFinding[] {
	const program = installCfnLint(process.env);
	const run = spawnSync(program, ['--format', 'json', '--ignore-checks', ...IGNORED, '--', ...templates], {
		encoding: 'utf8',
		maxBuffer: 64 * 1024 ** 2,
	});
	// 2, 4, 8 and their sums: errors, warnings, information.
	if (run.status === null || run.status % 2 === 1)
		throw new Error(`cfn-lint ended with ${String(run.status)}: ${run.stderr}${run.stdout.slice(0, 2000)}`);
	return JSON.parse(run.stdout || '[]') as LintFinding[];
}
