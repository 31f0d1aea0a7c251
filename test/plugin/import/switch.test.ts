import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type BarePhp, barePhp } from './support/bare-php.ts';

/** Where a step may die: every point at which Custom_Migrator_Switch has done something. */
const POINTS = ['begun', 'content_away', 'content_in', 'core_file', 'core_done', 'clone_written', 'ended'];

const OLD: Readonly<Record<string, string>> = {
	'wordpress/wp-content/db.php': 'slot',
	'wordpress/wp-content/mu-plugins/0-clone-guard.php': 'slot',
	'wordpress/wp-content/old.txt': 'old',
	'wordpress/index.php': 'core old',
	'wordpress/wp-includes/version.php': 'core old',
	'wordpress/readme.html': 'core old',
	'clone.json': '{"slot_id":"s","agent_key":"k","table_prefix":"wp_","admin_user":null}',
};
const STAGED: Readonly<Record<string, string>> = {
	'import/staging/content/db.php': 'slot',
	'import/staging/content/mu-plugins/0-clone-guard.php': 'slot',
	'import/staging/content/new.txt': 'new',
	'import/staging/core/wp-includes/version.php': 'core new',
	'import/staging/core/wp-includes/added/file.php': 'core new',
};
const NEW: Readonly<Record<string, string>> = {
	'wordpress/wp-content/db.php': 'slot',
	'wordpress/wp-content/mu-plugins/0-clone-guard.php': 'slot',
	'wordpress/wp-content/new.txt': 'new',
	'wordpress/index.php': 'core old',
	'wordpress/wp-includes/version.php': 'core new',
	'wordpress/wp-includes/added/file.php': 'core new',
};

describe.each(['7.4', '8.4'] as const)('the switch, on PHP %s', (version) => {
	let php: BarePhp;
	let slot: string;
	let slots = 0;
	beforeAll(async () => {
		php = await barePhp(version);
	});
	afterAll(() => php.stop());
	beforeEach(() => {
		// A new one each time: php-wasm remembers folders that were removed behind its back.
		slots += 1;
		slot = join(php.dir, `slot-${slots}`);
		for (const [path, text] of Object.entries({ ...OLD, ...STAGED })) {
			mkdirSync(dirname(join(slot, path)), { recursive: true });
			writeFileSync(join(slot, path), text);
		}
	});

	const tree = (root: string): Record<string, string> =>
		Object.fromEntries(
			readdirSync(root, { recursive: true, withFileTypes: true })
				.filter((entry) => entry.isFile())
				.map((entry) => join(entry.parentPath, entry.name))
				.map((path) => [path.slice(slot.length + 1), readFileSync(path, 'utf8')] as const),
		);
	const live = (): Record<string, string> => tree(join(slot, 'wordpress'));
	const cloneJson = (): Record<string, unknown> => JSON.parse(readFileSync(join(slot, 'clone.json'), 'utf8'));

	const BEGIN = `$switch->begin( array( 'wp-includes/version.php', 'wp-includes/added/file.php' ), array( 'readme.html' ), array( 'table_prefix' => 'x9_', 'admin_user' => 'me' ) );`;
	/** A switch that dies at a point, the n-th time it comes there. */
	const dying = (point: string, times = 1): string => `
		final class Dying_Switch extends Custom_Migrator_Switch {
			private $left = ${times};
			protected function passed( string $step ): void { if ( '${point}' === $step && 0 === --$this->left ) { exit( 0 ); } }
		}
		$switch = new Dying_Switch( new Custom_Migrator_Slot( '${slot}' ) );`;
	const goOn = (): string =>
		`$switch = new Custom_Migrator_Switch( new Custom_Migrator_Slot( '${slot}' ) ); echo json_encode( array( $switch->pending(), $switch->go_on(), $switch->pending() ) ); $switch->clear_old();`;

	test('puts the staged content, core and settings in place', async () => {
		await php.run(
			`$switch = new Custom_Migrator_Switch( new Custom_Migrator_Slot( '${slot}' ) ); ${BEGIN} $switch->go_on(); $switch->clear_old();`,
		);
		expect(live()).toEqual(NEW);
		expect(cloneJson()).toMatchObject({ slot_id: 's', agent_key: 'k', table_prefix: 'x9_', admin_user: 'me' });
		expect(existsSync(join(slot, 'import/switch.json'))).toBe(false);
		expect(existsSync(join(slot, 'import/old'))).toBe(false);
	});

	test.each(POINTS)('is finished by the next step after a death at "%s"', async (point) => {
		await php.run(`${dying(point)} ${BEGIN} $switch->go_on();`);
		expect(await php.json(goOn())).toEqual([point !== 'ended', true, false]);
		expect(live()).toEqual(NEW);
		expect(cloneJson()).toMatchObject({ table_prefix: 'x9_', admin_user: 'me' });
	});

	test('is finished after dying at every point in turn', async () => {
		await php.run(`${dying('begun')} ${BEGIN} $switch->go_on();`);
		for (const point of POINTS.slice(1, -1)) await php.run(`${dying(point)} $switch->go_on();`);
		await php.run(goOn());
		expect(live()).toEqual(NEW);
	});

	test('puts a wp-content aside that a request made while there was none', async () => {
		await php.run(`${dying('content_away')} ${BEGIN} $switch->go_on();`);
		mkdirSync(join(slot, 'wordpress/wp-content/database'), { recursive: true });
		writeFileSync(join(slot, 'wordpress/wp-content/database/.ht.sqlite'), 'empty');
		await php.run(goOn());
		expect(live()).toEqual(NEW);
	});

	test('takes everything back when a step cannot be done, also when it dies while taking back', async () => {
		// A file lies where a staged core file needs a folder.
		mkdirSync(join(slot, 'wordpress/wp-includes'), { recursive: true });
		writeFileSync(join(slot, 'wordpress/wp-includes/added'), 'in the way');
		const failing = `try { $switch->go_on(); echo 'done'; } catch ( Custom_Migrator_Import_Error $error ) { echo $error->error_code(); }`;
		expect(await php.run(`$switch = new Custom_Migrator_Switch( new Custom_Migrator_Slot( '${slot}' ) ); ${BEGIN} ${failing}`)).toBe(
			'switch_failed',
		);
		expect(live()).toEqual({
			...Object.fromEntries(Object.entries(OLD).filter(([path]) => path !== 'clone.json')),
			'wordpress/wp-includes/added': 'in the way',
		});
		expect(cloneJson()).toMatchObject({ table_prefix: 'wp_', admin_user: null });
		expect(existsSync(join(slot, 'import/switch.json'))).toBe(false);
	});

	test('goes on with an undo that a crash cut off', async () => {
		await php.run(`${dying('core_done')} ${BEGIN} $switch->go_on();`);
		const file = join(slot, 'import/switch.json');
		writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), direction: 'undo' }));
		expect(await php.json(goOn())).toEqual([true, false, false]);
		expect(live()).toEqual(Object.fromEntries(Object.entries(OLD).filter(([path]) => path !== 'clone.json')));
		expect(cloneJson()).toMatchObject({ table_prefix: 'wp_' });
	});

	test('does not begin without the guard', async () => {
		rmSync(join(slot, 'import/staging/content/mu-plugins/0-clone-guard.php'));
		const code = await php.run(`$switch = new Custom_Migrator_Switch( new Custom_Migrator_Slot( '${slot}' ) );
			try { ${BEGIN} echo 'begun'; } catch ( Custom_Migrator_Import_Error $error ) { echo $error->error_code(); }`);
		expect(code).toBe('slot_damaged');
		expect(existsSync(join(slot, 'import/switch.json'))).toBe(false);
	});
});
