/** A real WordPress at an address that clones may reach. */

import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { seedDemoContent } from '../../../../adapters/embedded/playground/demo-content.ts';
import { bootSite, type SourceSite } from '../../../support/sites/boot-site.ts';

export interface ReachableSite {
	readonly site: SourceSite;
	/** What callers and clones know it by. */
	readonly url: string;
	stop(): Promise<void>;
}

/** Demo content, at `http://{address}`: the site itself listens on the loopback address, and a relay in front of it. */
export async function reachableSite(address: string): Promise<ReachableSite> {
	const site = await bootSite({
		// Two PHP of one Playground may each remember folders that the other removed: an upload then fails now and then.
		workers: 1,
		seed: async (booted) => {
			await booted.evalPhp(`update_option( 'home', 'http://${address}' ); update_option( 'siteurl', 'http://${address}' );`);
			await seedDemoContent(booted);
		},
	});
	const relay = await relayTo(Number(new URL(site.url).port), address);
	return {
		site,
		url: `http://${address}`,
		async stop() {
			relay.close();
			await site.stop();
		},
	};
}

async function relayTo(port: number, address: string): Promise<Server> {
	const server = createServer((caller) => {
		const site = connect(port, '127.0.0.1');
		caller.pipe(site).pipe(caller);
		caller.on('error', () => site.destroy());
		site.on('error', () => caller.destroy());
	});
	server.listen(80, address);
	await once(server, 'listening');
	return server;
}
