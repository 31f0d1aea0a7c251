/** Reading an API Gateway REST proxy event. Header names are compared without regard to case, as API Gateway keeps the caller's spelling. */
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { Problem } from '../../core/api/problems.ts';
import { MAX_BODY_BYTES } from '../../core/api/request-schemas.ts';
import { invalid } from '../../core/api/validate.ts';

/** What API Gateway leaves out is null, whatever the types say. */
function entries<T>(record: Readonly<Record<string, T | undefined>> | null | undefined): readonly (readonly [string, T])[] {
	return Object.entries(record ?? {}).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

/** Every value of a header, in the order sent. */
export function headerValues(event: APIGatewayProxyEvent, name: string): readonly string[] {
	const wanted = name.toLowerCase();
	const many = entries(event.multiValueHeaders).filter(([key]) => key.toLowerCase() === wanted);
	if (many.length > 0) return many.flatMap(([, values]) => values);
	return entries(event.headers).flatMap(([key, value]) => (key.toLowerCase() === wanted ? [value] : []));
}

/**
 * The query as an object for a schema: numbers and booleans from their text, anything else as the text it is.
 * @throws Problem `invalid_request` when a parameter came more than once
 */
export function queryObject(event: APIGatewayProxyEvent): Record<string, unknown> {
	const many = entries(event.multiValueQueryStringParameters);
	const given = many.length > 0 ? many : entries(event.queryStringParameters).map(([name, value]) => [name, [value]] as const);
	const repeated = given.filter(([, values]) => values.length > 1);
	if (repeated.length > 0) {
		throw invalid(repeated.map(([field]) => ({ field: field.slice(0, 100), code: 'repeated', message: 'Give this parameter once.' })));
	}
	return Object.fromEntries(given.map(([name, values]) => [name, scalar(values[0] ?? '')]));
}

function scalar(text: string): unknown {
	if (/^-?\d{1,15}(?:\.\d{1,15})?$/.test(text)) return Number(text);
	return text === 'true' ? true : text === 'false' ? false : text;
}

/** @throws Problem `payload_too_large` */
export function checkBodySize(event: APIGatewayProxyEvent): void {
	const bytes = Buffer.byteLength(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8');
	if (bytes > MAX_BODY_BYTES) throw new Problem('payload_too_large');
}

/**
 * The body as JSON. Of a name that comes twice in an object the last one counts, as everywhere in JavaScript; this is
 * the only parser that looks at a request, so nothing can see the other one. `__proto__` is a name like any other here,
 * and no schema knows it.
 * @throws Problem `unsupported_media_type`, `malformed_json`
 */
export function jsonBody(event: APIGatewayProxyEvent): unknown {
	const types = headerValues(event, 'content-type');
	const encodings = headerValues(event, 'content-encoding').filter((encoding) => encoding.trim().toLowerCase() !== 'identity');
	if (types.length !== 1 || !JSON_TYPE.test(types[0] ?? '') || encodings.length > 0) throw new Problem('unsupported_media_type');
	try {
		const bytes = Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8');
		return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
	} catch (cause) {
		throw new Problem('malformed_json', { cause });
	}
}

/** RFC 8259 knows no charset; `utf-8` is harmless and common. */
const JSON_TYPE = /^\s*application\/json\s*(?:;\s*charset\s*=\s*"?utf-?8"?\s*)?;?\s*$/i;

/** An id in the path, or null when it cannot be one of ours. */
export function pathId(event: APIGatewayProxyEvent, name: string): string | null {
	const raw = event.pathParameters?.[name] ?? '';
	let id: string;
	try {
		id = decodeURIComponent(raw);
	} catch {
		return null;
	}
	return /^[a-z0-9-]{1,63}$/.test(id) ? id : null;
}

/**
 * The service's address as the caller used it, with the stage that API Gateway's own domain puts in front of the path.
 * API Gateway and the local server set Host and X-Forwarded-Proto themselves.
 */
export function addressedAs(event: APIGatewayProxyEvent): string {
	const host = headerValues(event, 'host')[0] ?? event.requestContext.domainName;
	if (host === undefined || !/^[A-Za-z0-9.:[\]-]+$/.test(host)) return '';
	const scheme = headerValues(event, 'x-forwarded-proto')[0] === 'http' ? 'http' : 'https';
	const full = event.requestContext.path;
	const stage = full.endsWith(event.path) ? full.slice(0, full.length - event.path.length) : '';
	return `${scheme}://${host}${stage}`;
}
