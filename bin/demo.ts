/**
 * `npm run demo`: builds a real WordPress site, starts the service, clones the site through the API and shows the clone.
 * Stays up until Ctrl-C; with `--once` it looks at the clone from outside, deletes it, checks that nothing is left, and ends.
 */
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { defaultCacheDir, ensureBundle } from '../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { seedDemoContent } from '../adapters/embedded/playground/demo-content.ts';
import { bootSourceSite, SOURCE_ADMIN, type SourceSite } from '../adapters/embedded/playground/source-site.ts';
import { ApiClient, type CloneResult } from './demo/api-client.ts';
import { progressBar } from './demo/progress-bar.ts';
import { type ServiceProcess, startService } from './demo/service-process.ts';
import { type Check, verifyClone } from './demo/verify.ts';

const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });
const say = (line = ''): void => console.log(line);
const undo: (() => Promise<unknown>)[] = [];

/** Takes everything back, last first. A second Ctrl-C ends at once. */
async function cleanUp(): Promise<void> {
	for (const step of undo.splice(0).reverse()) await step();
}

function print(clone: CloneResult): void {
	const mib = (clone.proof.bytes / 1024 ** 2).toFixed(1);
	say();
	say(`  clone       ${clone.clone_url}`);
	say(`  log in      ${clone.login_url}   (works once)`);
	say(`  or as       ${clone.username} / ${clone.password}`);
	say(`  WordPress   ${clone.wp_version}, PHP ${clone.php_version}${clone.warm ? ', from the warm pool' : ''}`);
	say(`  ends        ${clone.expires_at}`);
	say(
		`  proof       ${clone.proof.tables} tables, ${clone.proof.rows} rows, ${clone.proof.files} files, ${mib} MiB; ${clone.proof.differences.length} differences`,
	);
	for (const difference of clone.proof.differences) say(`              ${JSON.stringify(difference)}`);
	for (const item of clone.proof.left_out) say(`  left out    ${typeof item === 'string' ? item : JSON.stringify(item)}`);
	for (const warning of clone.warnings) say(`  warning     ${warning}`);
	say();
}

async function cloneSource(api: ApiClient, source: SourceSite): Promise<CloneResult> {
	const accepted = await api.call<{ job_id: string }>('POST', '/api/v2/clone', {
		source_url: source.url,
		source_username: SOURCE_ADMIN.username,
		source_password: SOURCE_ADMIN.password,
	});
	say(`Accepted as ${accepted.job_id}.`);
	const bar = progressBar(process.stdout);
	const job = await api.follow(accepted.job_id, (seen) => bar.update(seen.progress, seen.status_message));
	bar.end();
	if (job.status !== 'completed' || job.result === null) {
		throw new Error(`The clone job ended as ${job.status}: ${job.error?.code ?? ''} ${job.error?.message ?? ''}`);
	}
	return job.result;
}

/** What must not be there any more once the clone is deleted. */
async function checkNothingIsLeft(
	api: ApiClient,
	service: ServiceProcess,
	dataDir: string,
	source: SourceSite,
	clone: CloneResult,
): Promise<readonly Check[]> {
	const answers = await fetch(clone.clone_url).then(
		(response) => `status ${response.status}`,
		() => 'nothing listens',
	);
	const { clones } = await api.call<{ clones: readonly unknown[] }>('GET', '/api/v2/clones');
	const folders = readdirSync(join(dataDir, 'clones')).filter((name) => existsSync(join(dataDir, 'clones', name)));
	const onSource = await source.evalPhp(`
		global $wpdb;
		echo (int) is_dir( WP_PLUGIN_DIR . '/custom-migrator' ),
			(int) $wpdb->get_var( "SELECT COUNT(*) FROM $wpdb->options WHERE option_name LIKE '%custom_migrator%'" ),
			count( $wpdb->get_col( "SHOW TABLES LIKE '%custom_migrator%'" ) );`);
	return [
		{ name: 'the clone answers no more', ok: answers === 'nothing listens', saw: answers },
		{ name: 'the API lists no clone', ok: clones.length === 0, saw: `${clones.length} clones` },
		{ name: 'no clone folder is left', ok: folders.length === 0, saw: folders.join(' ') || 'none' },
		{ name: 'the source has no plugin, option or table of ours', ok: onSource === '000', saw: onSource },
		{ name: 'the service is up', ok: service.process.exitCode === null, saw: service.url },
	];
}

function report(checks: readonly Check[]): void {
	for (const check of checks) say(`  ${check.ok ? 'ok  ' : 'FAIL'}  ${check.name}${check.ok ? '' : `  (saw: ${check.saw})`}`);
	const failed = checks.filter((check) => !check.ok).length;
	if (failed > 0) throw new Error(`${failed} of ${checks.length} checks failed.`);
}

async function demo(): Promise<void> {
	say('Getting WordPress ready (fetched from the npm registry the first time) …');
	const bundle = await ensureBundle({ cacheDir: defaultCacheDir(process.env) });
	say('Building a source site: posts, pages, media, comments, users, a menu, widgets, a table of its own …');
	const source = await bootSourceSite({ bundle, seed: seedDemoContent });
	undo.push(() => source.stop());
	say(`  source      ${source.url}   (${SOURCE_ADMIN.username} / ${SOURCE_ADMIN.password})`);

	const dataDir = await mkdtemp(join(tmpdir(), 'wp-clone-demo-'));
	undo.push(() => rm(dataDir, { recursive: true, force: true }));
	// With --once no slot is kept ready after the claim would be seen as left over; so it clones cold.
	const service = await startService(dataDir, ['--port', '0', '--allow-private-sites', '--warm', values.once ? '0' : '1']);
	undo.push(() => service.stop());
	say(`  service     ${service.url}   (documentation: ${service.url}/docs)`);
	const api = new ApiClient(service.url, service.token);

	const clone = await cloneSource(api, source);
	const deleteClone = async (): Promise<void> => {
		const accepted = await api.call<{ job_id: string }>('DELETE', `/api/v2/delete/${clone.clone_id}`);
		const job = await api.follow(accepted.job_id, () => undefined);
		if (job.status !== 'completed') throw new Error(`The delete job ended as ${job.status}: ${job.error?.message ?? ''}`);
	};
	print(clone);

	if (values.once) {
		say('Looking at the clone from outside:');
		report(await verifyClone(source.url, clone));
		await deleteClone();
		say('Deleted. What is left:');
		report(await checkNothingIsLeft(api, service, dataDir, source, clone));
		say('\nAll checks passed.');
		return;
	}
	undo.push(deleteClone);
	say('Open the clone in a browser. It deletes itself at its time; Ctrl-C ends the demo and takes everything away.');
	await new Promise<void>((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
	say('\nTaking everything away …');
}

try {
	await demo();
	await cleanUp();
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	process.exitCode = 1;
	await cleanUp();
}
