import type { MysqlServer } from '../../../adapters/mysql/mysql-clone-databases.ts';
import type { Mariadb } from './mariadb.ts';

/** The rights that the runbook lists for the service's account. */
export const ADMIN_SQL = `CREATE USER service@'%' IDENTIFIED BY 'service-password';
	GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO service@'%';
	GRANT SELECT ON mysql.user TO service@'%';
	GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, CREATE VIEW, SHOW VIEW, TRIGGER ON \`clone\\_%\`.* TO service@'%' WITH GRANT OPTION;`;

/** A MariaDB with that account, as the service is told of it. */
export const databaseServer = (db: Mariadb, changes: Partial<MysqlServer> = {}): MysqlServer => ({
	host: '127.0.0.1',
	port: db.port ?? 0,
	user: 'service',
	password: 'service-password',
	prefix: 'clone',
	tls: null,
	...changes,
});
