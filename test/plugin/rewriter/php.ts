/** PHP (WebAssembly) with the plugin's rewriter loaded: rewrites batches of values. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileLockManagerInMemory, type PHP } from '@php-wasm/universal';
import { openNetwork } from '../../../adapters/embedded/playground/php/network-policy.ts';
import { runPhp } from '../../../adapters/embedded/playground/php/run.ts';
import { createPhp, type PhpVersion } from '../../../adapters/embedded/playground/php/runtime.ts';

const PLUGIN = join(import.meta.dirname, '../../../wordpress/custom-migrator/includes');

export interface Setup {
	readonly from: string;
	readonly to: string;
	/** Third argument of the constructor. */
	readonly options?: { readonly pairs?: Readonly<Record<string, string>>; readonly www_twin?: boolean; readonly base64_depth?: number };
}

export interface Rewritten {
	readonly value: Buffer;
	readonly needs: boolean;
	/** PHP's own reader takes the value, with objects left incomplete. */
	readonly readable: boolean;
}

export class RewriterPhp {
	readonly #php: PHP;
	readonly #dir: string;

	private constructor(php: PHP, dir: string) {
		this.#php = php;
		this.#dir = dir;
	}

	static async boot(version: PhpVersion, ini: Readonly<Record<string, string>> = {}): Promise<RewriterPhp> {
		const dir = mkdtempSync(join(tmpdir(), 'rewriter-'));
		const php = await createPhp({
			version,
			mounts: [dir, PLUGIN],
			tmpDir: dir,
			ini: { memory_limit: '1024M', display_errors: '1', error_reporting: '32767', ...ini },
			network: openNetwork,
			locks: new FileLockManagerInMemory(),
			symlinks: false,
		});
		return new RewriterPhp(php, dir);
	}

	/** Runs PHP after the rewriter was loaded. @returns what it printed: notices and warnings, too, which breaks the caller's reading. */
	async run(code: string): Promise<string> {
		const answer = await runPhp(this.#php, { code: `<?php require '${PLUGIN}/class-custom-migrator-rewriter.php'; ${code}` });
		if (answer.exitCode !== 0) throw new Error(`PHP failed: ${answer.stderr} ${answer.stdout.slice(0, 2000)}`);
		return answer.stdout;
	}

	async rewrite(setup: Setup, values: readonly (string | Buffer)[]): Promise<Rewritten[]> {
		const input = { ...setup, options: setup.options ?? {}, values: values.map((value) => Buffer.from(value).toString('base64')) };
		writeFileSync(join(this.#dir, 'in.json'), JSON.stringify(input));
		const text = await this.run(`
			$in = json_decode( file_get_contents( '${this.#dir}/in.json' ), true );
			$rewriter = new Custom_Migrator_Rewriter( $in['from'], $in['to'], $in['options'] );
			$out = array();
			foreach ( $in['values'] as $value ) {
				$value = base64_decode( $value );
				$needs = $rewriter->needs_rewrite( $value );
				$new   = $rewriter->rewrite( $value );
				$out[] = array( base64_encode( $new ), $needs, 'b:0;' === $new || false !== @unserialize( $new, array( 'allowed_classes' => false ) ) );
			}
			echo json_encode( $out );
		`);
		const rows = JSON.parse(text) as [string, boolean, boolean][];
		return rows.map(([value, needs, readable]) => ({ value: Buffer.from(value, 'base64'), needs, readable }));
	}

	exit(): void {
		this.#php.exit();
		rmSync(this.#dir, { recursive: true, force: true });
	}
}
