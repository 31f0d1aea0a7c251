/** `node bin/bundle-consumer.ts DIR`: the consumer as one file, DIR/index.mjs. Run in the image's build. */
import { join } from 'node:path';
import { build } from 'esbuild';
import { BUNDLE_OPTIONS, CONSUMER_BUNDLE } from '../lambdas/bundles.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('Name the folder to write to.');
await build({
	...BUNDLE_OPTIONS,
	mainFields: [...BUNDLE_OPTIONS.mainFields],
	entryPoints: [CONSUMER_BUNDLE.entry],
	outfile: join(folder, 'index.mjs'),
});
