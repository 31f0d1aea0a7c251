import type { Json } from '../job.ts';

const SECRET_NAME = /pass|secret|token|key|cookie|nonce/i;
/** Shorter values would also hit ordinary words. */
const SHORTEST = 6;
const MARK = '[redacted]';

/**
 * The last line of defence for log lines and messages: takes out the secrets that this run has opened, also where a
 * library put them into an exception's text. User names stay, they are ordinary words too often.
 */
export class Redactor {
	readonly #secrets = new Set<string>();

	/** Remembers every string of a secret's kind in `value`. */
	learn(value: Json, name = ''): void {
		if (typeof value === 'string') {
			if (value.length >= SHORTEST && SECRET_NAME.test(name)) {
				this.#secrets.add(value);
				this.#secrets.add(encodeURIComponent(value));
			}
		} else if (Array.isArray(value)) {
			for (const item of value) {
				this.learn(item, name);
			}
		} else if (value !== null && typeof value === 'object') {
			for (const [key, item] of Object.entries(value)) {
				this.learn(item, SECRET_NAME.test(name) ? name : key);
			}
		}
	}

	clean(text: string): string {
		let cleaned = text;
		for (const secret of this.#secrets) {
			cleaned = cleaned.replaceAll(secret, MARK);
		}
		return cleaned;
	}
}
