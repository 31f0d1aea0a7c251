/** A service that starts one slot, says so, and waits to be killed: `start-and-wait.ts SLOTS_DIR BUNDLE_DIR SPEC`. */
import { openBundle } from '../../../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { PlaygroundCloneHost } from '../../../adapters/embedded/playground/playground-clone-host.ts';

const [slotsDir = '', bundleDir = '', spec = ''] = process.argv.slice(2);
const bundle = await openBundle(bundleDir);
if (bundle === undefined) throw new Error(`No bundle at ${bundleDir}.`);
const host = new PlaygroundCloneHost({ slotsDir, bundle, allowPrivateSites: true, telemetry: { log: () => {}, metric: () => {} } });
await host.start(JSON.parse(spec));
console.log('started');
setInterval(() => {}, 60_000);
