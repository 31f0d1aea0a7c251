/**
 * A whole clone through the API of a service that is a process of its own: a 10 MB and a 100 MB site, from the warm pool and
 * cold, seconds by step; and what it costs the source: the peak of memory above a bare WordPress request, and the longest
 * request. Source, service and clone share this machine.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultCacheDir, ensureBundle } from '../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { seedBulk } from '../adapters/embedded/playground/demo-content.ts';
import { bootSourceSite, SOURCE_ADMIN, type SourceSite } from '../adapters/embedded/playground/source-site.ts';
import { ApiClient, type JobView } from '../bin/demo/api-client.ts';
import { startService } from '../bin/demo/service-process.ts';
import { round } from './support/api-harness.ts';

/** Writes a line for every request of the source: what it was, its peak of memory, how long it took. */
const METER = `<?php
register_shutdown_function( static function () {
	$line = array(
		'verb' => isset( $_SERVER['HTTP_X_MIGRATOR_VERB'] ) ? $_SERVER['HTTP_X_MIGRATOR_VERB'] : '',
		'peak' => memory_get_peak_usage(),
		's'    => microtime( true ) - $_SERVER['REQUEST_TIME_FLOAT'],
	);
	file_put_contents( ABSPATH . 'meter.log', json_encode( $line ) . "\\n", FILE_APPEND );
} );
if ( isset( $_SERVER['HTTP_X_BENCH_BARE'] ) ) {
	add_action( 'wp_loaded', static function () { exit; }, PHP_INT_MAX );
}
`;

interface Metered {
	readonly verb: string;
	readonly peak: number;
	readonly s: number;
}

interface Measured {
	readonly seconds: number;
	readonly steps: Readonly<Record<string, number>>;
	readonly job: JobView;
}

async function cloneOnce(source: SourceSite, warm: boolean): Promise<Measured> {
	const dataDir = mkdtempSync(join(tmpdir(), 'bench-clone-'));
	const steps: Record<string, number> = {};
	let warmSlots = 0;
	const service = await startService(dataDir, ['--port', '0', '--allow-private-sites', '--warm', warm ? '1' : '0', '--metrics'], (text) => {
		const line = JSON.parse(text) as { metric?: string; step?: string; value?: number };
		if (line.metric === 'step_seconds' && line.step !== undefined) steps[line.step] = line.value ?? 0;
		if (line.metric === 'pool_warm') warmSlots = line.value ?? 0;
	});
	try {
		const api = new ApiClient(service.url, service.token);
		for (let turn = 0; warm && warmSlots === 0 && turn < 600; turn++) await new Promise((resolve) => setTimeout(resolve, 100));
		const began = performance.now();
		const accepted = await api.call<{ job_id: string }>('POST', '/api/v2/clone', {
			source_url: source.url,
			source_username: SOURCE_ADMIN.username,
			source_password: SOURCE_ADMIN.password,
		});
		const job = await api.follow(accepted.job_id, () => undefined);
		const seconds = (performance.now() - began) / 1000;
		if (job.result === null || job.result.warm !== warm || job.result.proof.differences.length > 0) {
			throw new Error(`Not the clone that was to be measured: ${JSON.stringify({ error: job.error, result: job.result })}`);
		}
		const deletion = await api.call<{ job_id: string }>('DELETE', `/api/v2/delete/${job.result.clone_id}`);
		await api.follow(deletion.job_id, () => undefined);
		return { seconds, steps, job };
	} finally {
		await service.stop();
		rmSync(dataDir, { recursive: true, force: true });
	}
}

export async function run(): Promise<Record<string, number>> {
	const bundle = await ensureBundle({ cacheDir: defaultCacheDir(process.env) });
	const rows: Record<string, number | string>[] = [];
	const figures: Record<string, number> = {};
	const added: number[] = [];
	const longest: number[] = [];
	for (const size of [10, 100]) {
		// Half of it database, half uploads.
		const source = await bootSourceSite({ bundle, seed: (site) => seedBulk(site, { dbMb: size / 2, uploadsMb: size / 2 }) });
		try {
			const plugins = join(source.dir, 'wp-content/mu-plugins');
			writeFileSync(join(plugins, 'meter.php'), METER);
			await source.php.recycle();
			const meter = join(source.dir, 'meter.log');
			writeFileSync(meter, '');
			for (let turn = 0; turn < 5; turn++) await fetch(`${source.url}/wp-admin/admin-ajax.php`, { headers: { 'x-bench-bare': '1' } });
			const bare = Math.max(...read(meter).map((line) => line.peak));
			for (const warm of [true, false]) {
				const { seconds, steps, job } = await cloneOnce(source, warm);
				const name = `${warm ? 'warm' : 'cold'}_${size}mb_s`;
				figures[name] = round(seconds, 1);
				const short = Object.fromEntries(Object.entries(steps).map(([step, value]) => [step, round(value, 1)]));
				rows.push({
					clone: name,
					seconds: round(seconds, 1),
					...short,
					files: job.result?.proof.files ?? 0,
					rows: job.result?.proof.rows ?? 0,
				});
			}
			const calls = read(meter).filter((line) => line.verb !== '');
			const addedHere = round((Math.max(...calls.map((line) => line.peak)) - bare) / 1024 ** 2, 1);
			const longestHere = round(Math.max(...calls.map((line) => line.s)), 2);
			added.push(addedHere);
			longest.push(longestHere);
			rows.push({ clone: `source of ${size} MB`, calls: calls.length, added_mib: addedHere, longest_request_s: longestHere });
		} finally {
			await source.stop();
		}
	}
	console.table(rows);
	return { ...figures, source_added_mib: Math.max(...added), source_longest_request_s: Math.max(...longest) };
}

function read(meter: string): readonly Metered[] {
	return readFileSync(meter, 'utf8')
		.trim()
		.split('\n')
		.filter((line) => line !== '')
		.map((line) => JSON.parse(line) as Metered);
}
