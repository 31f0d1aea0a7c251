import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PLUGIN } from '../../plugin/source/support.ts';

/** The machine's own PHP with the importer's classes: for parts of the importer by themselves. */
export interface NativePhp {
	readonly dir: string;
	/** Runs PHP, without opening tag. @returns what it printed @throws Error when it ended badly */
	run(code: string): Promise<string>;
	/** The same; its output is JSON. */
	json<T>(code: string): Promise<T>;
	stop(): Promise<void>;
}

export async function nativePhp(): Promise<NativePhp> {
	const dir = await mkdtemp(join(tmpdir(), 'migrator-php-'));
	let count = 0;
	const php: NativePhp = {
		dir,
		async run(code) {
			count += 1;
			const script = join(dir, `script-${count}.php`);
			await writeFile(
				script,
				`<?php error_reporting( E_ALL ); set_error_handler( static function ( $no, $text, $file, $line ) { if ( error_reporting() & $no ) { throw new ErrorException( $text, 0, $no, $file, $line ); } return true; } );
				require '${PLUGIN}/includes/import/load.php'; const DIR = '${dir}'; ${code}`,
			);
			const settings = ['memory_limit=512M', 'display_errors=stderr'].flatMap((setting) => ['-d', setting]);
			try {
				return (await promisify(execFile)('php', [...settings, script], { maxBuffer: 64 * 1024 * 1024 })).stdout;
			} catch (cause) {
				const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : '';
				throw new Error(`PHP failed: ${said.slice(0, 4000)}`, { cause });
			}
		},
		async json(code) {
			const text = await php.run(code);
			try {
				return JSON.parse(text);
			} catch (cause) {
				throw new Error(`not JSON: ${text.slice(0, 4000)}`, { cause });
			}
		},
		stop: () => rm(dir, { recursive: true, force: true }),
	};
	return php;
}
