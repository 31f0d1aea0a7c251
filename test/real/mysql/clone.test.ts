import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MysqlCloneDatabases } from '../../../adapters/mysql/mysql-clone-databases.ts';
import type { DatabaseConnection } from '../../../core/ports.ts';
import type { ImportStatus } from '../../plugin/import/support/slot.ts';
import { registered } from '../../plugin/source/support.ts';
import type { Agent } from '../../support/migrator/agent.ts';
import { allCells, type Cells, hostileTables } from './hostile-tables.ts';
import { type Mariadb, startMariadb } from './mariadb.ts';
import { type ImageTree, imageTree, type NativeClone, startNativeClone } from './native-clone.ts';
import { type NativeSite, startNativeSite } from './native-site.ts';
import { ADMIN_SQL, databaseServer } from './service-account.ts';

/** A clone on MySQL of a site on MySQL, from the image's boot to a working WordPress. */

let shared: Mariadb;
let databases: MysqlCloneDatabases;
let tree: ImageTree;
let site: NativeSite;
let source: Agent;

beforeAll(async () => {
	shared = await startMariadb({ network: true, flags: ['--max-allowed-packet=32M'] });
	await shared.sql(ADMIN_SQL);
	databases = new MysqlCloneDatabases(databaseServer(shared));
	tree = await imageTree();
	site = await startNativeSite();
	await site.sql(hostileTables(site.url));
	source = await registered(site, 'clone-0123456789ab');
});
afterAll(async () => {
	await databases.close();
	await shared.stop();
	await site.stop();
	await tree.remove();
});

describe('a clone on MySQL of a site on MySQL', () => {
	let clone: NativeClone;
	let connection: DatabaseConnection;
	let status: ImportStatus;
	let before: Cells;
	let after: Cells;

	beforeAll(async () => {
		connection = await databases.create('slot-native');
		clone = await startNativeClone(tree, connection);
		before = await allCells(site.db, 'wp');
		status = await clone.import(source);
		after = await allCells(shared, connection.name);
	});
	afterAll(async () => {
		await clone.stop();
		await databases.drop('slot-native');
	});

	test('ends, with a proof that names what differs and nothing else', () => {
		expect(status).toMatchObject({ state: 'done', progress: 100, error: null });
		expect(status.proof?.differences).toEqual([]);
		expect(status.proof?.tables).toBe(Object.keys(before).filter((name) => !name.includes('custom_migrator')).length);
		expect(status.facts.warnings.filter((warning) => !warning.includes('PHP'))).toEqual([]);
		expect(status.proof?.left_out.filter((each) => each.table !== undefined)).toEqual([
			{ table: 'wp_h_view', reason: 'view' },
			{ table: 'wp_h_child', reason: 'foreign key wp_h_child_ibfk_1 left out' },
			{ table: 'wp_h_generated', reason: 'generated column sum is a plain one' },
		]);
	});

	test('every cell of the hostile tables is as it was, byte for byte', () => {
		const names = Object.keys(before).filter((name) => name.startsWith('wp_h_') && name !== 'wp_h_rewritten');
		expect(names.length).toBeGreaterThan(8);
		for (const name of names) {
			expect(after[name]?.length, name).toBe(before[name]?.length);
			expect(after[name]?.join('\n') === before[name]?.join('\n'), `${name}: ${after[name]?.[0]?.slice(0, 300)}`).toBe(true);
		}
	});
});
