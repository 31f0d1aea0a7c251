/** PHP (WebAssembly) with the plugin's rewriter loaded: rewrites batches of values. */
import { join } from 'node:path';
import { createNodeFsMountHandler, loadNodeRuntime } from '@php-wasm/node';
import { PHP, type SupportedPHPVersion } from '@php-wasm/universal';

const PLUGIN = join(import.meta.dirname, '../../../wordpress/custom-migrator/includes');

export const PHP_VERSIONS = ['7.4', '8.2', '8.4', '8.5'] as const satisfies readonly SupportedPHPVersion[];

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

	private constructor(php: PHP) {
		this.#php = php;
	}

	static async boot(version: SupportedPHPVersion, ini: Readonly<Record<string, string>> = {}): Promise<RewriterPhp> {
		const php = new PHP(await loadNodeRuntime(version, { emscriptenOptions: { processId: 1 } }));
		const entries = { memory_limit: '1024M', display_errors: '1', error_reporting: '32767', ...ini };
		const lines = Object.entries(entries).map(([name, value]) => `${name}=${value}`);
		php.writeFile('/internal/shared/php.ini', `${lines.join('\n')}\n`);
		await php.mount('/plugin', createNodeFsMountHandler(PLUGIN));
		return new RewriterPhp(php);
	}

	/** Runs PHP after the rewriter was loaded. @returns what it printed. Any notice or warning is printed too, and so breaks the caller's parsing. */
	async run(code: string): Promise<string> {
		const answer = await this.#php.run({ code: `<?php require '/plugin/class-custom-migrator-rewriter.php'; ${code}` });
		if (answer.exitCode !== 0 || answer.errors !== '') throw new Error(`PHP failed: ${answer.errors} ${answer.text.slice(0, 2000)}`);
		return answer.text;
	}

	async rewrite(setup: Setup, values: readonly (string | Buffer)[]): Promise<Rewritten[]> {
		const input = { ...setup, options: setup.options ?? {}, values: values.map((value) => Buffer.from(value).toString('base64')) };
		this.#php.writeFile('/tmp/in.json', JSON.stringify(input));
		const text = await this.run(`
			$in = json_decode( file_get_contents( '/tmp/in.json' ), true );
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
	}
}
