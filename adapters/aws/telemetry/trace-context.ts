/**
 * The X-Ray trace that the work at hand belongs to: of the request, or of the message it came from. It goes along with every
 * message that is sent, so that one trace leads from the API through all turns of a job.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1` and the like. */
const HEADER = /^(?:[A-Za-z]+=[\w:-]+;?)+$/;

export class TraceContext {
	readonly #current = new AsyncLocalStorage<string | undefined>();
	readonly #fallback: () => string | undefined;

	/** @param fallback what the surroundings say when no message was entered: in a Lambda function `_X_AMZN_TRACE_ID` */
	constructor(fallback: () => string | undefined) {
		this.#fallback = fallback;
	}

	/** Runs `work` as part of a message's trace; without a header of its own, as part of the function's. */
	run<T>(header: string | undefined, work: () => T): T {
		return this.#current.run(header !== undefined && HEADER.test(header) ? header : undefined, work);
	}

	/** What to send along, undefined when there is nothing to trace. */
	header(): string | undefined {
		const header = this.#current.getStore() ?? this.#fallback();
		return header !== undefined && HEADER.test(header) ? header : undefined;
	}

	/** The trace's id, for the log. */
	traceId(): string | undefined {
		return /(?:^|;)Root=([\w-]+)/.exec(this.header() ?? '')?.[1];
	}
}
