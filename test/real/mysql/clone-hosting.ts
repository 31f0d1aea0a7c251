import { MysqlCloneDatabases } from '../../../adapters/mysql/mysql-clone-databases.ts';
import { type Mariadb, startMariadb } from './mariadb.ts';
import { type ImageTree, imageTree, type NativeClone } from './native-clone.ts';
import { ADMIN_SQL, databaseServer } from './service-account.ts';

/** What clones on MySQL need of the service: the shared server, databases of their own on it, the image's tree. */
export interface CloneHosting {
	readonly shared: Mariadb;
	readonly databases: MysqlCloneDatabases;
	readonly tree: ImageTree;
	stop(): Promise<void>;
}

export async function startCloneHosting(): Promise<CloneHosting> {
	const shared = await startMariadb({ network: true, flags: ['--max-allowed-packet=32M'] });
	await shared.sql(ADMIN_SQL);
	const databases = new MysqlCloneDatabases(databaseServer(shared));
	const tree = await imageTree();
	return {
		shared,
		databases,
		tree,
		async stop() {
			await databases.close();
			await shared.stop();
			await tree.remove();
		},
	};
}

/** Enters a clone by its one-time link, as its caller would. @returns the cookies, as a request has them */
export async function logIn(clone: NativeClone): Promise<string> {
	const { url } = (await clone.agent.call('login_link')).data as unknown as { url: string };
	const entered = await fetch(url, { redirect: 'manual' });
	return entered.headers
		.getSetCookie()
		.map((each) => each.split(';')[0])
		.join('; ');
}
