/**
 * A clone with `database: "mysql"` on a real cluster and a MariaDB beside it, through the real service; then that nothing is
 * left of it. MariaDB comes with the MySQL suite's own setup (`npm run test:real -- mysql`).
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CloneResult } from '../../../bin/demo/api-client.ts';
import { verifyClone } from '../../../bin/demo/verify.ts';
import { CLONE_LABELS } from '../../../k8s/labels.ts';
import { SOURCE_ADMIN } from '../../support/sites/boot-site.ts';
import { type Mariadb, startMariadb } from '../mysql/mariadb.ts';
import { ADMIN_SQL } from '../mysql/service-account.ts';
import { admin, leftovers } from './support/cluster.ts';
import { testEnvironment } from './support/environment.ts';
import { execInPod } from './support/exec.ts';
import { type RunningService, runService, slotOfClone, until } from './support/service.ts';
import { type ReachableSite, reachableSite } from './support/source.ts';

/** A run that was cut off may have left its own. */
const POLICY = `clones-mysql-${randomUUID().slice(0, 8)}`;

let source: ReachableSite;
let db: Mariadb;
let dataDir: string;
let service: RunningService;

/** Databases and users of clones that the server has. */
const left = async (): Promise<string> =>
	db.sql(
		"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'clone\\_%' UNION SELECT User FROM mysql.user WHERE User LIKE 'clone\\_%'",
	);

const request = (customer: string): Record<string, unknown> => ({
	source_url: source.url,
	source_username: SOURCE_ADMIN.username,
	source_password: SOURCE_ADMIN.password,
	customer_id: customer,
	database: 'mysql',
});

beforeAll(async () => {
	const [address = ''] = testEnvironment().sourceAddresses;
	source = await reachableSite(address);
	db = await startMariadb({ network: address });
	await db.sql(ADMIN_SQL);
	// As k8s/platform makes it where the platform is told of the server.
	await admin().networking.createNamespacedNetworkPolicy({
		namespace: testEnvironment().namespace,
		body: {
			apiVersion: 'networking.k8s.io/v1',
			kind: 'NetworkPolicy',
			metadata: { name: POLICY },
			spec: {
				podSelector: { matchLabels: CLONE_LABELS },
				policyTypes: ['Egress'],
				egress: [{ to: [{ ipBlock: { cidr: `${address}/32` } }], ports: [{ port: db.port ?? 0, protocol: 'TCP' }] }],
			},
		},
	});
	dataDir = mkdtempSync(join(tmpdir(), 'clone-k8s-mysql-'));
	writeFileSync(join(dataDir, 'mysql-password'), 'service-password\n', { mode: 0o600 });
	service = await runService(join(dataDir, 'data'), {
		warm: '1',
		mysql: `mysql://service@${address}:${db.port}`,
		'mysql-password-file': join(dataDir, 'mysql-password'),
	});
});
afterAll(async () => {
	await service.process.kill();
	await admin().networking.deleteNamespacedNetworkPolicy({ namespace: testEnvironment().namespace, name: POLICY });
	await db.stop();
	await source.stop();
	rmSync(dataDir, { recursive: true, force: true });
});

const slotOf = (clone: CloneResult): string => slotOfClone(join(dataDir, 'data'), clone.clone_id);

it('runs on its own database, cold, and is the source', async () => {
	const made = await service.clone(request('on-mysql'));
	expect(made).toMatchObject({ warm: false });
	expect(made.proof.differences).toEqual([]);
	expect((await verifyClone(source.url, made)).filter((check) => !check.ok)).toEqual([]);
	const name = `clone_${slotOf(made).replaceAll('-', '_')}`;
	expect(await db.sql("SELECT option_value FROM wp_options WHERE option_name = 'siteurl'", name)).toBe(`${made.clone_url}\n`);
	expect((await left()).trim()).toBe(name);
	const said = await execInPod(slotOf(made), [
		'sh',
		'-c',
		'ls /clone/wordpress/wp-content/database 2>&1; env; cat /proc/[0-9]*/cmdline | tr "\\0" " "',
	]);
	const clone = JSON.parse((await execInPod(slotOf(made), ['cat', '/clone/clone.json'])).output) as { database: { password: string } };
	expect(said.output).toContain('No such file');
	expect(said.output).not.toContain(clone.database.password);
});

it('goes with its database: on request', async () => {
	expect((await service.run('DELETE', '/api/v2/delete/on-mysql')).status).toBe('completed');
	expect(await left()).toBe('');
});

it('goes with its database: by the sweep, when Kubernetes alone ended it', async () => {
	const slot = slotOf(await service.clone(request('lost-on-mysql')));
	const { namespace } = testEnvironment();
	await admin().batch.deleteNamespacedJob({ name: slot, namespace, propagationPolicy: 'Background' });
	await until(async () => (await left()) === '');
	await until(async () => (await leftovers(slot)).length === 0);
});
