/** The process of one Playground site: `node bin/playground-site.ts CONFIG.json` (see site-config.ts). */
import { runSiteProcess } from '../adapters/embedded/playground/server/site-process.ts';

await runSiteProcess(process.argv[2] ?? '');
