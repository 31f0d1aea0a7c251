import { phpString, type SourceSite } from '../../../support/sites/boot-site.ts';

/** The address that the fixture site says it has. The agent is called by its real one. */
export const SITE = 'https://a.com';

/** A value as a function of the site's address: what it is on the source, and what it must become. */
export type Template = (url: string) => string | Uint8Array;

export interface HostileRow {
	readonly name: string;
	readonly txt?: Template | null;
	/** Stored in a BLOB column: never rewritten. */
	readonly bin?: Uint8Array | null;
	readonly big?: string;
	readonly dbl?: string;
	readonly dt?: string;
	readonly bits?: string;
	readonly json?: Template;
}

const serialized = (text: string): string => `s:${Buffer.byteLength(text)}:"${text}";`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');
/** Bytes that repeat with no short period, so that a misplaced slice shows. */
export function pattern(length: number, seed: number): Uint8Array {
	const bytes = new Uint8Array(length);
	let x = seed;
	for (let i = 0; i < length; i++) {
		x = (Math.imul(x, 1103515245) + 12345) >>> 0;
		bytes[i] = x >>> 24;
	}
	return bytes;
}
const letters = (length: number, seed: number): string =>
	Buffer.from(pattern(length, seed).map((byte) => 97 + (byte % 26))).toString('latin1');

const MIB = 1024 * 1024;

export const HOSTILE_ROWS: readonly HostileRow[] = [
	{ name: 'emoji', txt: () => '😀 naïve 漢字 \u{1F1E9}\u{1F1EA}' },
	{ name: 'null', txt: null, bin: null },
	{ name: 'empty', txt: () => '', bin: new Uint8Array() },
	{ name: 'zero date', dt: '0000-00-00 00:00:00' },
	{ name: 'half a date', dt: '2024-00-00 00:00:00' },
	{ name: 'looks like a date', txt: () => '2024-01-02T03:04:05Z' },
	{ name: 'looks like a number', txt: () => '0012.50e3' },
	{ name: 'looks like hex', txt: () => "0x41' OR 1=1 -- \\" },
	{ name: 'all bytes', bin: Uint8Array.from({ length: 256 }, (_, i) => i) },
	{ name: 'nul inside text', txt: () => 'a\0b\0' },
	{ name: 'invalid utf-8', txt: () => Uint8Array.of(0x61, 0xff, 0xfe, 0xc3) },
	{ name: 'largest', big: '9223372036854775807' },
	{ name: 'smallest', big: '-9223372036854775808' },
	{ name: '18 digits', big: '123456789012345678' },
	{ name: 'double', dbl: '0.30000000000000004' },
	{ name: 'tiny', dbl: '5e-324' },
	{ name: 'bits', bits: '170' },
	{ name: 'plain', txt: (url) => `See ${url}/x?y=1, ${url} and ${url}/.` },
	{ name: 'other host', txt: (url) => `${url}/a http://a.com.au/b https://xa.com/c https://a.com.evil.org mail me@a.com` },
	{ name: 'escaped slashes', txt: (url) => `{"u":"${url.replaceAll('/', '\\/')}\\/x"}` },
	{ name: 'url-encoded', txt: (url) => `r=${encodeURIComponent(`${url}/x`)}&z` },
	{ name: 'json column', json: (url) => JSON.stringify({ u: `${url}/p`, n: [1, null, 'ä'] }) },
	{ name: 'serialized array', txt: (url) => `a:2:{i:0;${serialized(`${url}/ä`)}s:3:"key";b:1;}` },
	{
		name: 'unknown class, private and protected',
		txt: (url) => `O:12:"No\\Such\\Clas":2:{s:17:"\0No\\Such\\Clas\0url";${serialized(url)}s:4:"\0*\0x";i:5;}`.replace('s:17:', 's:17:'),
	},
	{ name: 'references', txt: (url) => `a:3:{i:0;${serialized(url)}i:1;R:2;i:2;O:8:"stdClass":1:{s:1:"a";r:4;}}` },
	{ name: 'serialized in serialized', txt: (url) => `a:1:{i:0;${serialized(`a:1:{i:0;${serialized(`${url}/deep`)}}`)}}` },
	{ name: 'json in serialized in base64', txt: (url) => base64(`a:1:{s:1:"j";${serialized(JSON.stringify({ url: `${url}/in/json` }))}}`) },
	{ name: 'block markup', txt: (url) => `<!-- wp:image {"url":"${url}/i.png"} --><img src="${url}/i.png"/><!-- /wp:image -->` },
	{ name: '1 MB', txt: (url) => `${letters(MIB, 3)}${url}/end` },
	{ name: '20 MB of text', txt: (url) => `${url}/start ${letters(20 * MIB, 4)} ${url}/end` },
	{ name: '20 MB of bytes', bin: pattern(20 * MIB, 5) },
];

/** Bytes of one cell, or null. */
export const cell = (value: string | Uint8Array | null | undefined): Buffer | null =>
	value === null || value === undefined ? null : Buffer.from(value as string);

/** Makes the table on a site (SQLite) and fills it by PDO: through the driver some of these could not be written. */
export async function seedHostileRows(site: SourceSite, scratch: (name: string, bytes: Uint8Array) => string): Promise<void> {
	await site.evalPhp(`global $wpdb; $wpdb->query( "CREATE TABLE {$wpdb->prefix}hostile (
		id bigint(20) unsigned NOT NULL AUTO_INCREMENT, name varchar(191) NOT NULL DEFAULT '', txt longtext, bin longblob, big bigint(20) DEFAULT NULL,
		dbl double DEFAULT NULL, dt datetime DEFAULT NULL, bits bit(8) DEFAULT NULL, j json DEFAULT NULL, PRIMARY KEY (id), UNIQUE KEY name (name))" );
		if ( $wpdb->last_error ) { throw new Exception( $wpdb->last_error ); }`);
	const files = HOSTILE_ROWS.map((row, i) => {
		const file = (column: string, bytes: Uint8Array | null | undefined): string | null =>
			bytes === null || bytes === undefined ? null : scratch(`${column}-${i}`, bytes);
		return {
			name: row.name,
			txt: file('txt', row.txt ? cell(row.txt(SITE)) : null),
			bin: file('bin', row.bin),
			big: row.big ?? null,
			dbl: row.dbl ?? null,
			dt: row.dt ?? null,
			bits: row.bits ?? null,
			j: file('j', row.json ? cell(row.json(SITE)) : null),
		};
	});
	await site.evalPhp(`global $wpdb; $pdo = $wpdb->dbh->get_connection()->get_pdo();
		$s = $pdo->prepare( "INSERT INTO {$wpdb->prefix}hostile (name, txt, bin, big, dbl, dt, bits, j) VALUES (?, ?, ?, ?, ?, ?, ?, ?)" );
		foreach ( json_decode( file_get_contents( ${phpString(scratch('rows.json', Buffer.from(JSON.stringify(files))))} ), true ) as $row ) {
			foreach ( array( 'txt', 'bin', 'j' ) as $column ) {
				$row[ $column ] = null === $row[ $column ] ? null : file_get_contents( $row[ $column ] );
			}
			foreach ( array_values( $row ) as $i => $value ) {
				$s->bindValue( $i + 1, $value, null === $value ? PDO::PARAM_NULL : ( 2 === $i ? PDO::PARAM_LOB : PDO::PARAM_STR ) );
			}
			$s->execute();
		}`);
}
