/** Which cluster the tests run against. */
import { readFileSync } from 'node:fs';
import * as z from 'zod';

const environmentSchema = z.object({
	/** For looking at everything, and for making what tests need. */
	adminKubeconfig: z.string(),
	/** An account with the Role clone-workers and nothing else: what the code under test uses. */
	workerKubeconfig: z.string(),
	namespace: z.string(),
	systemNamespace: z.string(),
	/** The clone image, there already or pullable. */
	image: z.string(),
	/** Another one that can be used in its place; it may be the same by another name. */
	nextImage: z.string(),
	/** The worker as a pod; only where it was asked for. */
	consumerImage: z.string().nullable(),
	phpVersion: z.string(),
	wpVersion: z.string(),
	/** `{slot}.{domain}` leads to the ingress, by plain HTTP on port 80. */
	domain: z.string(),
	/** Addresses of this machine that clones may reach on port 80, for source sites. */
	sourceAddresses: z.array(z.string()).readonly(),
	/** The cluster is test/real/cluster: a test may take its API server away for a while. */
	ownCluster: z.boolean(),
	/** Addresses of this machine that clones may not reach: something listens there while it is tried. */
	closedAddresses: z.array(z.string()).readonly(),
});
export type TestEnvironment = z.infer<typeof environmentSchema>;

let read: TestEnvironment | undefined;

export function testEnvironment(): TestEnvironment {
	const file = process.env.WP_CLONE_TEST;
	if (!file) throw new Error('These tests run on a cluster: npm run test:real -- kubernetes');
	read ??= environmentSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
	return read;
}
