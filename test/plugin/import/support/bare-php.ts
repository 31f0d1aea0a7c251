import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileLockManagerInMemory } from '@php-wasm/universal';
import { HostFetch } from '../../../../adapters/embedded/playground/import/host-fetch.ts';
import { openNetwork } from '../../../../adapters/embedded/playground/php/network-policy.ts';
import { runPhp } from '../../../../adapters/embedded/playground/php/run.ts';
import { createPhp, type PhpVersion } from '../../../../adapters/embedded/playground/php/runtime.ts';
import { createGuardedFetch } from '../../../../adapters/wordpress/guarded-fetch.ts';
import { testBundle } from '../../../support/sites/boot-site.ts';

const PLUGIN = fileURLToPath(new URL('../../../../wordpress/custom-migrator/', import.meta.url));

/** A PHP with the importer's classes, an empty folder and no slot: for parts of the importer by themselves. */
export interface BarePhp {
	readonly dir: string;
	/** Runs PHP, without opening tag. @returns what it printed @throws Error when it ended badly */
	run(code: string): Promise<string>;
	/** The same; its output is JSON. */
	json<T>(code: string): Promise<T>;
	stop(): Promise<void>;
}

export async function barePhp(version: PhpVersion): Promise<BarePhp> {
	const { sqliteIntegration } = await testBundle();
	const dir = mkdtempSync(join(tmpdir(), 'wp-clone-bare-'));
	const fetches = new HostFetch(createGuardedFetch({ allowPrivate: true }), dir);
	const php = await createPhp({
		version,
		mounts: [dir, PLUGIN.replace(/\/$/, ''), sqliteIntegration],
		tmpDir: join(dir, 'tmp'),
		ini: { memory_limit: '512M' },
		network: openNetwork,
		locks: new FileLockManagerInMemory(),
		symlinks: true,
		onMessage: (message) => fetches.handle(message),
	});
	const bare: BarePhp = {
		dir,
		async run(code) {
			const { stdout, stderr, exitCode } = await runPhp(php, {
				code: `<?php error_reporting( E_ALL ); set_error_handler( static function ( $no, $text, $file, $line ) { if ( error_reporting() & $no ) { throw new ErrorException( $text, 0, $no, $file, $line ); } return true; } );
					require '${PLUGIN}includes/import/load.php'; const DIR = '${dir}'; const DRIVER = '${sqliteIntegration}'; ${code}`,
			});
			if (exitCode !== 0) throw new Error(`PHP ended with ${exitCode}: ${stderr} ${stdout}`);
			return stdout;
		},
		async json(code) {
			const text = await bare.run(code);
			try {
				return JSON.parse(text);
			} catch (cause) {
				throw new Error(`not JSON: ${text}`, { cause });
			}
		},
		async stop() {
			php.exit();
			await rm(dir, { recursive: true, force: true });
		},
	};
	return bare;
}
