import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RDS_AUTHORITIES } from '../../../adapters/aws/rds-authorities.ts';
import { MysqlCloneDatabases } from '../../../adapters/mysql/mysql-clone-databases.ts';
import type { DatabaseConnection } from '../../../core/ports.ts';
import { type Mariadb, startMariadb } from './mariadb.ts';
import { type NativePhp, nativePhp } from './native-php.ts';
import { ADMIN_SQL, databaseServer } from './service-account.ts';

/** The shared database server with encryption. */

let db: Mariadb;
let php: NativePhp;
let databases: MysqlCloneDatabases;
let made: DatabaseConnection;
let ca: string;

/** A server with a certificate of its own, which is its own authority. */
async function startEncrypted(name: string): Promise<{ db: Mariadb; ca: string }> {
	const [cert, key] = [join(php.dir, `${name}.pem`), join(php.dir, `${name}-key.pem`)];
	const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
	const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
	execFileSync('openssl', ['req', '-x509', ...curve, '-nodes', ...subject, '-days', '2', '-keyout', key, '-out', cert], {
		stdio: 'ignore',
	});
	return { db: await startMariadb({ network: true, flags: [`--ssl-cert=${cert}`, `--ssl-key=${key}`] }), ca: readFileSync(cert, 'utf8') };
}

beforeAll(async () => {
	php = await nativePhp();
	({ db, ca } = await startEncrypted('localhost'));
	await db.sql(ADMIN_SQL);
	databases = new MysqlCloneDatabases(databaseServer(db, { host: 'localhost', tls: { ca } }));
	made = await databases.create('slot-tls');
});
afterAll(async () => {
	await databases.close();
	await db.stop();
	await php.stop();
});

it('refuses a clone that comes without it', async () => {
	expect(made.tls).toBe(true);
	const { port, user, password } = made;
	await expect(createConnection({ host: '127.0.0.1', port, user, password })).rejects.toMatchObject({ errno: 1045 });
});

it('is used by the importer and by WordPress', async () => {
	const { port, name, user, password } = made;
	const said = await php.json<unknown>(`
		$pdo = Custom_Migrator_Mysql_Server::connect( array( 'host' => '127.0.0.1', 'port' => ${port}, 'name' => '${name}', 'user' => '${user}', 'password' => '${password}', 'tls' => true ) );
		// As wpdb does it with MYSQL_CLIENT_FLAGS.
		$link = mysqli_init();
		mysqli_real_connect( $link, '127.0.0.1', '${user}', '${password}', '${name}', ${port}, null, MYSQLI_CLIENT_SSL );
		echo json_encode( array( $pdo->query( "SHOW STATUS LIKE 'Ssl_cipher'" )->fetch( PDO::FETCH_NUM )[1], mysqli_query( $link, "SHOW STATUS LIKE 'Ssl_cipher'" )->fetch_row()[1] ) );`);
	expect(said).toEqual([expect.stringMatching(/^TLS_|^ECDHE/), expect.stringMatching(/^TLS_|^ECDHE/)]);
});

it('asks whose certificate it is', async () => {
	const unknown = new MysqlCloneDatabases(databaseServer(db, { host: 'localhost', tls: { ca: null } }));
	await expect(unknown.check()).rejects.toMatchObject({ code: 'database_unreachable' });
	await unknown.close();
	// As on AWS: what RDS did not sign is not RDS.
	const notRds = new MysqlCloneDatabases(databaseServer(db, { host: 'localhost', tls: { ca: RDS_AUTHORITIES } }));
	await expect(notRds.check()).rejects.toMatchObject({ code: 'database_unreachable' });
	await notRds.close();
	const impostor = await startEncrypted('db.example');
	const other = new MysqlCloneDatabases(databaseServer(impostor.db, { host: 'localhost', tls: { ca: impostor.ca } }));
	await expect(other.check()).rejects.toMatchObject({ code: 'database_unreachable' });
	await other.close();
	await impostor.db.stop();
});
