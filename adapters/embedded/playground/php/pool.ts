import type { PHP } from '@php-wasm/universal';
import { memoryOf } from './runtime.ts';

export interface PhpLease {
	readonly php: PHP;
	/** Gives the instance back. `broken`: it crashed, so it is thrown away. */
	release(broken?: boolean): void;
}

export interface PhpPoolOptions {
	readonly create: () => Promise<PHP>;
	/** Most instances at once; a site that calls itself over HTTP needs two. */
	readonly size: number;
	/** php-wasm leaks a little with every request. @default 250 */
	readonly maxRequests?: number;
	/** Memory of an instance above which it is replaced after the request, in bytes. @default 384 MiB */
	readonly maxMemory?: number;
	/** Bytes an instance holds. @default its WebAssembly memory */
	readonly memory?: (php: PHP) => number;
}

interface Member {
	readonly php: PHP;
	readonly generation: number;
	requests: number;
}

/** The PHP instances of a site: made when needed, used one request at a time, replaced when they crash, leak or are stale. */
export class PhpPool {
	readonly #options: PhpPoolOptions;
	readonly #idle: Member[] = [];
	readonly #waiting: Array<() => void> = [];
	#busy = 0;
	#generation = 0;
	#state: 'open' | 'closed' = 'open';
	#made = 0;

	constructor(options: PhpPoolOptions) {
		this.#options = options;
	}

	/** Instances made so far: more than `size` means that some were replaced. */
	get made(): number {
		return this.#made;
	}

	/** Waits for a free instance. @throws Error when the pool is closed or PHP could not boot */
	async acquire(): Promise<PhpLease> {
		while (this.#busy >= this.#options.size) await new Promise<void>((resolve) => this.#waiting.push(resolve));
		if (this.#isClosed()) {
			this.#next();
			throw new Error('The site is stopping.');
		}
		this.#busy += 1;
		try {
			return this.#lend(this.#idle.pop() ?? (await this.#make()));
		} catch (cause) {
			this.#busy -= 1;
			this.#next();
			throw cause;
		}
	}

	/** Every instance of now is thrown away, the busy ones after their request: what they cached is no longer true. */
	recycle(): void {
		this.#generation += 1;
		for (const member of this.#idle.splice(0)) discard(member.php);
	}

	close(): void {
		this.#state = 'closed';
		this.recycle();
		for (const resolve of this.#waiting.splice(0)) resolve();
	}

	async #make(): Promise<Member> {
		const generation = this.#generation;
		const php = await this.#options.create();
		this.#made += 1;
		return { php, generation, requests: 0 };
	}

	#lend(member: Member): PhpLease {
		let given = true;
		return {
			php: member.php,
			release: (broken = false) => {
				if (!given) return;
				given = false;
				this.#busy -= 1;
				member.requests += 1;
				if (broken || this.#isWorn(member)) discard(member.php);
				else this.#idle.push(member);
				this.#next();
			},
		};
	}

	#isWorn(member: Member): boolean {
		return (
			this.#isClosed() ||
			member.generation !== this.#generation ||
			member.requests >= (this.#options.maxRequests ?? 250) ||
			(this.#options.memory ?? memoryOf)(member.php) > (this.#options.maxMemory ?? 384 * 1024 * 1024)
		);
	}

	#isClosed(): boolean {
		return this.#state === 'closed';
	}

	#next(): void {
		this.#waiting.shift()?.();
	}
}

/** An instance that crashed may refuse to exit; its memory goes with the last reference to it. */
function discard(php: PHP): void {
	try {
		php.exit();
	} catch {
		// Nothing more can be done for a runtime that has already ended.
	}
}
