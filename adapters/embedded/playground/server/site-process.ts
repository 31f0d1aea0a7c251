/** What the process of a site does around the site: signals, faults, the parent's messages. */
import { ImportDriver } from '../import/import-driver.ts';
import { readSiteConfig, type SiteConfig } from './site-config.ts';
import { type SiteServer, siteLog, startSite } from './site-server.ts';
import { SiteState } from './state.ts';

/** A parent's message (only a plain site's parent has the channel). */
export type SiteRequest =
	| { readonly id: number; readonly op: 'eval'; readonly code: string }
	| { readonly id: number; readonly op: 'recycle' };
export type SiteReply =
	| { readonly id: number; readonly ok: true; readonly output: string }
	| { readonly id: number; readonly ok: false; readonly message: string };

/** Runs until the site ends. @throws never: a fault is logged to the state folder and ends the process with 1 */
export async function runSiteProcess(configPath: string): Promise<void> {
	const config = readSiteConfig(configPath);
	const state = new SiteState(config.stateDir);
	const fail = (what: string, cause: unknown): void => {
		try {
			state.exitReason = `${what}: ${cause instanceof Error ? cause.message : String(cause)}`;
			console.error(what, cause);
		} finally {
			process.exit(1);
		}
	};
	// php-wasm reports a crashed instance also as an unhandled rejection; the request that met it has been answered with 500.
	process.on('unhandledRejection', (cause) => console.error('unhandled rejection', cause));
	process.on('uncaughtException', (cause) => {
		if (cause.name === 'RuntimeError') console.error('PHP crashed', cause);
		else fail('The process of the site failed', cause);
	});
	try {
		const site = config.mode === 'slot' ? await startSlot(config, state) : await startSite(config);
		onSignals(site);
		if (config.mode === 'site') serveParent(config, site);
	} catch (cause) {
		fail('The site could not start', cause);
	}
}

/** A slot goes on with an import that a crash cut off, and starts one when it is told to. */
async function startSlot(config: SiteConfig, state: SiteState): Promise<SiteServer> {
	let recycle = (): void => {};
	const driver = new ImportDriver({
		slotDir: config.siteDir,
		php: config.php,
		allowPrivate: config.allowPrivate,
		onDone: () => recycle(),
		log: siteLog(state.path('site.log')),
	});
	const site = await startSite(config, {
		onVerb: (verb) => {
			if (verb === 'import_start') driver.check();
		},
	});
	recycle = () => site.recycle();
	driver.prepare();
	driver.check();
	return site;
}

function onSignals(site: SiteServer): void {
	for (const signal of ['SIGTERM', 'SIGINT'] as const) {
		process.once(signal, () => {
			site.stop().then(
				() => process.exit(0),
				() => process.exit(1),
			);
		});
	}
}

function serveParent(config: SiteConfig, site: SiteServer): void {
	if (process.send === undefined) return;
	process.on('disconnect', () => process.exit(0));
	process.on('message', (request: SiteRequest) => {
		const answer = request.op === 'eval' ? site.evalPhp(request.code) : Promise.resolve(site.recycle()).then(() => '');
		const reply = (message: SiteReply): void => {
			process.send?.(message);
		};
		answer.then(
			(output) => reply({ id: request.id, ok: true, output }),
			(cause: unknown) => reply({ id: request.id, ok: false, message: cause instanceof Error ? cause.message : String(cause) }),
		);
	});
	process.send({ id: 0, ok: true, output: JSON.stringify({ url: site.url, dir: config.siteDir }) } satisfies SiteReply);
}
