/** The few calls that the demo makes, as any user of the API would. */
export interface JobView {
	readonly job_id: string;
	readonly type: string;
	readonly status: 'pending' | 'running' | 'completed' | 'failed' | 'cancelled';
	readonly progress: number;
	readonly status_message: string;
	readonly result: CloneResult | null;
	readonly error: { readonly code: string; readonly message: string } | null;
}

export interface CloneResult {
	readonly clone_id: string;
	readonly clone_url: string;
	readonly login_url: string;
	readonly username: string;
	readonly password: string;
	readonly expires_at: string;
	readonly fidelity: string;
	readonly wp_version: string;
	readonly php_version: string;
	readonly warm: boolean;
	readonly warnings: readonly string[];
	readonly proof: {
		readonly tables: number;
		readonly rows: number;
		readonly files: number;
		readonly bytes: number;
		readonly differences: readonly unknown[];
		readonly left_out: readonly unknown[];
	};
}

export class ApiClient {
	readonly #url: string;
	readonly #token: string;

	constructor(url: string, token: string) {
		this.#url = url;
		this.#token = token;
	}

	/** @throws Error with the problem's own sentence when the answer is not 2xx. */
	async call<T>(method: string, path: string, body?: unknown): Promise<T> {
		const response = await fetch(`${this.#url}${path}`, {
			method,
			headers: { authorization: `Bearer ${this.#token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
		const answer = (await response.json()) as T & { code?: string; detail?: string };
		if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.code ?? ''} ${answer.detail ?? ''}`);
		return answer;
	}

	/** Asks for the job's state until it has ended. */
	async follow(jobId: string, onChange: (job: JobView) => void): Promise<JobView> {
		for (;;) {
			const job = await this.call<JobView>('GET', `/api/v2/job-status/${jobId}`);
			onChange(job);
			if (job.status === 'completed' || job.status === 'failed' || job.status === 'cancelled') return job;
			await new Promise((resolve) => setTimeout(resolve, 200));
		}
	}
}
