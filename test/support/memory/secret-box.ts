import { SealError } from '../../../core/errors.ts';
import type { SecretBox } from '../../../core/ports.ts';

/** Keeps the secrets itself; what it gives out is only a ticket, so any secret seen elsewhere has leaked. */
export class MemorySecretBox implements SecretBox {
	readonly #sealed = new Map<string, { readonly plain: string; readonly context: string }>();

	async seal(plain: string, context: Readonly<Record<string, string>>): Promise<string> {
		const ticket = `memory.${this.#sealed.size + 1}.`;
		this.#sealed.set(ticket, { plain, context: canonical(context) });
		return ticket;
	}

	async open(sealed: string, context: Readonly<Record<string, string>>): Promise<string> {
		const found = this.#sealed.get(sealed);
		if (found === undefined || found.context !== canonical(context)) {
			throw new SealError('The sealed value cannot be opened.');
		}
		return found.plain;
	}
}

function canonical(context: Readonly<Record<string, string>>): string {
	return JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1)));
}
