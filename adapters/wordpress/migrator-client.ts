import { PermanentError, type ProductError, TransientError } from '../../core/errors.ts';
import type { Json } from '../../core/jobs/job.ts';
import type { AgentClient, AgentTarget, Clock, Random } from '../../core/ports.ts';
import { type AgentAnswer, agentKeyBytes, findFrame, openFrame, signedHeaders } from './agent-frame.ts';
import { BROWSER_USER_AGENT, foreignAnswerError } from './foreign-answer.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import type { GuardedResponse } from './guarded-response.ts';
import { siteError } from './site-errors.ts';

export interface MigratorClient extends AgentClient {
	/** One signed call with the bytes that came with its answer (decompressed). */
	callWithPayload(target: AgentTarget, verb: string, args: Json): Promise<{ readonly data: Json; readonly payload: Uint8Array }>;
}

export interface MigratorClientOptions {
	readonly http: GuardedFetch;
	readonly clock: Clock;
	readonly random: Pick<Random, 'hex'>;
	/** One call, answer included. @default 60 000 */
	readonly timeoutMs?: number;
}

/** A 4 MiB payload, its head and what another plugin printed before; a longer answer is not an agent's. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** An agent's clock is believed this far off ours, in seconds; further off, nothing else on that site would work. */
const MAX_SKEW = 30 * 24 * 3600;

/** What is remembered of agents (their clocks, the user agent they take); the oldest is forgotten. */
const REMEMBERED_AGENTS = 1000;

interface Habits {
	/** Agent's clock minus ours, in seconds. */
	offset: number;
	browser: boolean;
}

/**
 * Speaks to agents over the guarded fetch. Errors thrown by its calls:
 * PermanentError `agent_unauthorized` (the key is not, or no longer, known there), `http_auth_required`,
 * `login_challenged`, or the agent's own code; TransientError `agent_missing`, `bad_answer`, `html_answer`,
 * `rate_limited`, `request_blocked`, `source_unavailable`, or the agent's own code; and what the guarded fetch throws.
 */
export function createMigratorClient(options: MigratorClientOptions): MigratorClient {
	const { http, clock, random } = options;
	const habits = new Map<string, Habits>();

	function habitsOf(agentUrl: string): Habits {
		const known = habits.get(agentUrl);
		if (known !== undefined) return known;
		const [oldest] = habits.keys();
		if (habits.size >= REMEMBERED_AGENTS && oldest !== undefined) habits.delete(oldest);
		const fresh = { offset: 0, browser: false };
		habits.set(agentUrl, fresh);
		return fresh;
	}

	async function send(target: AgentTarget, verb: string, body: string, habit: Habits): Promise<Exchange> {
		const key = agentKeyBytes(target.agent_key);
		const nonce = random.hex(32);
		const time = Math.floor(clock.now() / 1000) + habit.offset;
		const response = await http.fetch({
			url: target.agent_url,
			method: 'POST',
			headers: {
				...signedHeaders(key, target.key_id, verb, body, time, nonce),
				accept: '*/*',
				'accept-encoding': 'identity',
				'content-type': 'application/json',
				referer: new URL('wp-admin/', target.agent_url.replace(/wp-admin\/.*$/, '')).href,
				...(habit.browser ? { 'user-agent': BROWSER_USER_AGENT } : {}),
			},
			body,
			maxBytes: MAX_ANSWER_BYTES,
			totalTimeoutMs: options.timeoutMs ?? 60_000,
		});
		const bytes = await response.bytes();
		const start = findFrame(bytes);
		return { response, bytes, answer: start < 0 ? null : await openFrame(bytes, start, key, nonce) };
	}

	async function callWithPayload(target: AgentTarget, verb: string, args: Json) {
		const habit = habitsOf(target.agent_url);
		const body = JSON.stringify(args ?? {});
		let exchange = await send(target, verb, body, habit);
		const skew = exchange.answer === null ? skewOf(exchange, clock.now()) : null;
		if (skew !== null && skew !== habit.offset) {
			habit.offset = skew;
			exchange = await send(target, verb, body, habit);
		} else if (exchange.answer === null && !habit.browser && [403, 406].includes(exchange.response.status)) {
			exchange = await send(target, verb, body, { ...habit, browser: true });
			habit.browser = exchange.answer !== null;
		}
		if (exchange.answer === null) throw strangerError(exchange, clock.now());
		if (!exchange.answer.ok) throw agentError(exchange.answer, exchange.response.status);
		return { data: exchange.answer.data, payload: exchange.answer.payload };
	}

	return {
		callWithPayload,
		async call(target, verb, args) {
			return (await callWithPayload(target, verb, args)).data;
		},
	};
}

interface Exchange {
	readonly response: GuardedResponse;
	readonly bytes: Uint8Array;
	/** Null when the body holds no frame. */
	readonly answer: AgentAnswer | null;
}

/** The unframed answers of an agent: `{"code":"unauthorized"}` and `{"code":"clock_skew","time":…}`. */
function unframed({ response, bytes }: Exchange): { code?: unknown; time?: unknown } {
	if (response.status !== 401 || bytes.length > 1024) return {};
	try {
		const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
		return typeof json === 'object' && json !== null ? json : {};
	} catch {
		return {};
	}
}

function skewOf(exchange: Exchange, now: number): number | null {
	const { code, time } = unframed(exchange);
	if (code !== 'clock_skew' || typeof time !== 'number' || !Number.isSafeInteger(time)) return null;
	const offset = time - Math.floor(now / 1000);
	return Math.abs(offset) <= MAX_SKEW ? offset : null;
}

/** An agent answers 4xx when the same call would fail again, 5xx or a time to wait when it is worth another try. */
function agentError(answer: AgentAnswer, status: number): ProductError {
	const message = answer.message === '' ? 'The agent on the site could not do what it was asked.' : answer.message;
	const { retryAfterSeconds } = answer;
	if (retryAfterSeconds === undefined && status < 500) return new PermanentError(answer.code, message);
	return new TransientError(answer.code, message, retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
}

/** Nothing in the body was the agent's. */
function strangerError(exchange: Exchange, now: number): ProductError {
	const { code } = unframed(exchange);
	if (code === 'unauthorized') return siteError('agent_unauthorized');
	if (code === 'clock_skew') return siteError('clock_skew');
	const text = new TextDecoder().decode(exchange.bytes.subarray(0, 64 * 1024));
	// What WordPress itself says where no plugin took the request.
	if (text.trim() === '0' || text.includes('"rest_no_route"')) return siteError('agent_missing');
	return foreignAnswerError(exchange.response, text, now);
}
