/**
 * How the functions are bundled: for the stacks (lib/), which build them, and for the benchmark, which measures them.
 * Imports nothing.
 */

/** Files of Swagger UI that the page at /docs loads. */
export const DOCS_FILES = [
	{ name: 'swagger-ui.css', contentType: 'text/css; charset=utf-8' },
	{ name: 'swagger-ui-bundle.js', contentType: 'text/javascript; charset=utf-8' },
	{ name: 'favicon-32x32.png', contentType: 'image/png' },
] as const;

/** Options of esbuild. */
export const BUNDLE_OPTIONS = {
	bundle: true,
	platform: 'node',
	format: 'esm',
	target: 'node24',
	minify: true,
	sourcemap: true,
	sourcesContent: false,
	mainFields: ['module', 'main'],
	/** Parts of the tracer are CommonJS and ask for Node's modules by `require`. */
	banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
} as const;

export interface LambdaBundle {
	/** Exports `handler`. Relative to the repository's root. */
	readonly entry: string;
	/** What the code reads at run time: from (relative to the root) → to (relative to the bundle). */
	readonly files: Readonly<Record<string, string>>;
}

/** The plugin that the worker brings to source sites. */
const PLUGIN = { 'wordpress/custom-migrator': 'custom-migrator' } as const;

export const LAMBDA_BUNDLES = {
	api: {
		entry: 'lambdas/api/index.ts',
		files: Object.fromEntries(DOCS_FILES.map(({ name }) => [`node_modules/swagger-ui-dist/${name}`, `docs/${name}`])),
	},
	worker: { entry: 'lambdas/worker/index.ts', files: PLUGIN },
	sweep: { entry: 'lambdas/sweep/index.ts', files: PLUGIN },
} as const satisfies Readonly<Record<string, LambdaBundle>>;

/** The consumer that runs as pods (`worker: "eks"`), bundled the same way. */
export const CONSUMER_BUNDLE: LambdaBundle = { entry: 'bin/consumer.ts', files: PLUGIN };
