/**
 * `npm run cost`: what a deployment costs a month, from its synthesized templates (those of `npm run synth`, made when they
 * are not there) and the price table. `-- FOLDER` reads another cdk.out.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ASSUMPTIONS, BUFFER, estimate, type Line, sum } from './cost/estimate.ts';
import { inventoryOf, type Template } from './cost/inventory.ts';
import { PRICES } from './cost/prices.ts';

const ROOT = resolve(import.meta.dirname, '..');
const CLONES_A_MONTH = [100, 1000, 10_000];
/** The system this replaces, as its operators put it. */
const BEFORE: readonly Line[] = [
	{ what: 'two t2.small buffer nodes', usd: 24 },
	{ what: 'general pool, 50 to 100', usd: 75 },
];

const [given] = process.argv.slice(2);
const folder = given ?? join(ROOT, 'cdk.out/default');
if (given === undefined && !existsSync(folder)) {
	const made = spawnSync(process.execPath, [join(ROOT, 'bin/synth.ts'), 'default'], { stdio: ['ignore', 'ignore', 'inherit'] });
	if (made.status !== 0) process.exit(1);
}
const templates = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.template.json')) : [];
if (templates.length === 0) {
	console.error(`There are no templates in ${folder}. Make them with: npm run synth`);
	process.exit(2);
}
const { idle, clone } = estimate(inventoryOf(templates.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Template)));

const row = (what: string, ...cells: readonly string[]): void =>
	console.log(`  ${what.padEnd(48)}${cells.map((cell) => cell.padStart(11)).join('')}`);
const usd = (amount: number, digits = 2): string => amount.toFixed(digits);

console.log(
	`USD a month, us-east-1, list prices as noted on ${PRICES.eksCluster.noted} (bin/cost/prices.ts names each one's page: look there before relying on it)\n`,
);
console.log('What stands there, idle');
for (const line of idle) row(line.what, usd(line.usd));
row('together', usd(sum(idle)));
console.log(`\nA clone of ${ASSUMPTIONS.pulledGb * 1000} MB that lives half an hour (bin/cost/estimate.ts: ASSUMPTIONS)`);
for (const line of clone) row(line.what, usd(line.usd, 4));
row('together', usd(sum(clone), 4));
console.log('');
row('clones a month', ...CLONES_A_MONTH.map((n) => n.toLocaleString('en')));
row('what they use', ...CLONES_A_MONTH.map((n) => usd(n * sum(clone))));
row('with what stands there', ...CLONES_A_MONTH.map((n) => usd(sum(idle) + n * sum(clone))));
row('a clone, all in', ...CLONES_A_MONTH.map((n) => usd(sum(idle) / n + sum(clone), 3)));
console.log('\nBeside it: the nodes of the system this replaces, as its operators put them');
for (const line of BEFORE) row(line.what, usd(line.usd, 0));
row(`${BUFFER}, here`, usd(sum(idle.filter(({ what }) => what.startsWith(BUFFER)))));
