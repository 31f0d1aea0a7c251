import type { Emulator } from './emulator.ts';

/** For services that have no client here; the emulator takes any signature. */
export function unsigned(emulator: Pick<Emulator, 'region'>, service: string): { readonly Authorization: string } {
	return {
		Authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${emulator.region}/${service}/aws4_request, SignedHeaders=host, Signature=x`,
	};
}

/** One action of a service that speaks AWS's JSON protocol. @param target e.g. `AWSEvents.ListRules` */
export async function jsonCall<Answer>(emulator: Emulator, service: string, target: string, body: object): Promise<Answer> {
	const response = await fetch(emulator.url, {
		method: 'POST',
		headers: { 'Content-Type': 'application/x-amz-json-1.1', 'X-Amz-Target': target, ...unsigned(emulator, service) },
		body: JSON.stringify(body),
	});
	const answer = await response.text();
	if (!response.ok) throw new Error(`${target}: ${response.status} ${answer}`);
	// Some actions answer with nothing.
	return (answer === '' ? {} : JSON.parse(answer)) as Answer;
}
