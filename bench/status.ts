/** What reading a job's state costs: own CPU a request over 10,000 reads, and the store's reads counted. */
import { apiHarness, cpuMs, percentile, round } from './support/api-harness.ts';

const READS = 10_000;

export async function run(): Promise<Record<string, number>> {
	const api = await apiHarness();
	try {
		const ids: string[] = [];
		for (let index = 0; index < 1000; index++) {
			const answer = await api.post('/api/v2/clone', {
				source_url: 'https://example.com',
				source_username: 'admin',
				source_password: 'secret',
			});
			ids.push((JSON.parse(answer.body) as { job_id: string }).job_id);
		}
		for (const id of ids) await api.get(`/api/v2/job-status/${id}`);
		const before = { ...api.counts };
		const each: number[] = [];
		let errors = 0;
		for (let index = 0; index < READS; index++) {
			const start = cpuMs();
			const answer = await api.get(`/api/v2/job-status/${ids[index % ids.length]}`);
			each.push(cpuMs() - start);
			if (answer.statusCode !== 200) errors++;
		}
		const figures = {
			cpu_ms_p50: round(percentile(each, 0.5)),
			cpu_ms_p99: round(percentile(each, 0.99)),
			reads_per_request: (api.counts.reads - before.reads) / READS,
			writes_per_request: (api.counts.writes - before.writes) / READS,
			errors,
		};
		console.table([figures]);
		return figures;
	} finally {
		api.close();
	}
}
