/**
 * What accepting a clone job costs: own CPU a request at 1, 50 and 500 requests at once, then 10,000 in a row, with the
 * store's writes and the queue's sends counted. The handler and the SQLite store are the real ones (durable on commit);
 * no HTTP server in between.
 */
import { acceptOnAws } from './support/accept-aws.ts';
import { apiHarness, cpuMs, percentile, round } from './support/api-harness.ts';

const REQUEST = { source_url: 'https://example.com', source_username: 'admin', source_password: 'correct horse battery staple' };
const IN_A_ROW = 10_000;

/** `--aws`: what the same costs on AWS, in requests and modelled time. */
export async function run({ args }: { args: readonly string[] }): Promise<Record<string, number | boolean>> {
	if (args.includes('--aws')) return acceptOnAws();
	const api = await apiHarness();
	try {
		for (let index = 0; index < 500; index++) await api.post('/api/v2/clone', REQUEST);
		const rows: Record<string, number | string>[] = [];
		for (const atOnce of [1, 50, 500]) {
			const each: number[] = [];
			for (let turn = 0; turn < Math.max(10, 1000 / atOnce); turn++) {
				const before = cpuMs();
				await Promise.all(Array.from({ length: atOnce }, () => api.post('/api/v2/clone', REQUEST)));
				each.push((cpuMs() - before) / atOnce);
			}
			rows.push({ requests: `${atOnce} at once`, cpu_ms_p50: round(percentile(each, 0.5)), cpu_ms_p99: round(percentile(each, 0.99)) });
		}

		const start = { ...api.counts };
		const each: number[] = [];
		let accepted = 0;
		let errors = 0;
		const began = performance.now();
		for (let index = 0; index < IN_A_ROW; index++) {
			const before = cpuMs();
			const answer = await api.post('/api/v2/clone', REQUEST);
			each.push(cpuMs() - before);
			if (answer.statusCode === 202) accepted++;
			else errors++;
		}
		const seconds = (performance.now() - began) / 1000;
		const stored = (await api.jobs.countByStatus()).pending;
		const figures = {
			cpu_ms_p50: round(percentile(each, 0.5)),
			cpu_ms_p99: round(percentile(each, 0.99)),
			writes_per_request: (api.counts.writes - start.writes) / IN_A_ROW,
			reads_per_request: (api.counts.reads - start.reads) / IN_A_ROW,
			sends_per_request: (api.counts.sends - start.sends) / IN_A_ROW,
			accepted,
			errors,
			jobs_in_store: stored,
			per_second: round(IN_A_ROW / seconds, 0),
		};
		rows.push({ requests: `${IN_A_ROW} in a row`, cpu_ms_p50: figures.cpu_ms_p50, cpu_ms_p99: figures.cpu_ms_p99 });
		console.table(rows);
		console.table([figures]);
		return figures;
	} finally {
		api.close();
	}
}
