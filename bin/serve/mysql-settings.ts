/** `--mysql`: the server that clones with `database: "mysql"` share. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';

export interface MysqlSettings {
	readonly host: string;
	readonly port: number;
	readonly user: string;
	/** What the names of its databases and users begin with. */
	readonly prefix: string;
	/** A password on the command line would be in the process list. */
	readonly password: { readonly value: string } | { readonly file: string };
	readonly tls: { readonly caFile: string | null } | null;
}

export const MYSQL_OPTIONS = {
	mysql: { type: 'string' },
	'mysql-password-file': { type: 'string' },
	'mysql-tls': { type: 'boolean', default: false },
	'mysql-ca': { type: 'string' },
} as const;

export const MYSQL_PASSWORD = 'WP_CLONE_MYSQL_PASSWORD';

export const MYSQL_USAGE = `  --mysql mysql://USER@HOST[:PORT][/PREFIX]
                           a MySQL or MariaDB for clones that ask for "database": "mysql" (none); its password comes
                           from $${MYSQL_PASSWORD} or:
  --mysql-password-file F  where USER's password is
  --mysql-tls              encrypt, the service's connections and the clones'
  --mysql-ca FILE          the authority (PEM) of the server's certificate; implies --mysql-tls
`;

type Values = Readonly<Record<string, string | boolean | undefined>>;

/** @param faults is added to. @returns null when no server is named, or its address is at fault */
export function parseMysqlSettings(
	values: Values,
	environment: Readonly<Record<string, string | undefined>>,
	faults: string[],
): MysqlSettings | null {
	const { mysql } = values;
	const file = values['mysql-password-file'];
	const caFile = values['mysql-ca'];
	if (typeof mysql !== 'string') {
		for (const name of ['mysql-password-file', 'mysql-ca']) if (values[name] !== undefined) faults.push(`--${name} needs --mysql.`);
		return null;
	}
	if (values.host !== 'kubernetes') faults.push('--mysql needs --host kubernetes: clones on this machine run on SQLite.');
	const url = URL.canParse(mysql) ? new URL(mysql) : null;
	const prefix = url === null || url.pathname.length < 2 ? 'clone' : url.pathname.slice(1);
	if (
		url === null ||
		url.protocol !== 'mysql:' ||
		url.hostname === '' ||
		url.username === '' ||
		/%(?![0-9a-f]{2})/i.test(url.username) ||
		url.search !== '' ||
		url.hash !== ''
	) {
		// Not quoted: a password may be in it.
		faults.push('--mysql is mysql://USER@HOST, with :PORT and /PREFIX where they are not 3306 and clone.');
		return null;
	}
	if (url.password !== '')
		faults.push(`--mysql holds a password, which others would see: give it in ${MYSQL_PASSWORD} or --mysql-password-file.`);
	if (!/^[a-z][a-z0-9]{0,9}$/.test(prefix)) faults.push('The prefix in --mysql has small letters and digits, a letter first, at most ten.');
	const host = url.hostname.replace(/^\[|\]$/g, '');
	const ca = typeof caFile === 'string' ? resolve(caFile) : null;
	const tls = values['mysql-tls'] === true || ca !== null;
	if (tls && isIP(host) !== 0) faults.push('With --mysql-tls the server is called by its name: an address is in no certificate.');
	const value = environment[MYSQL_PASSWORD];
	if ((value === undefined || value === '') && typeof file !== 'string') {
		faults.push(`--mysql needs a password: in ${MYSQL_PASSWORD} or --mysql-password-file.`);
	}
	return {
		host,
		port: url.port === '' ? 3306 : Number(url.port),
		user: decodeURIComponent(url.username),
		prefix,
		password: typeof file === 'string' ? { file: resolve(file) } : { value: value ?? '' },
		tls: tls ? { caFile: ca } : null,
	};
}
