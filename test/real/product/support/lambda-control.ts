/** What a test does to deployed functions from outside. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Emulator } from '../../aws/support/emulator.ts';
import { jsonCall, unsigned } from '../../aws/support/json-call.ts';

async function call<Answer>(emulator: Emulator, method: string, path: string, body?: object): Promise<Answer> {
	const response = await fetch(`${emulator.url}/2015-03-31/${path}`, {
		method,
		headers: unsigned(emulator, 'lambda'),
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
	});
	if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
	return (await response.json()) as Answer;
}

/** Stops and starts the deliveries of a queue to its function. @throws Error unless there is just one event source */
export async function setDeliveries(emulator: Emulator, Enabled: boolean): Promise<void> {
	const { EventSourceMappings: found } = await call<{ EventSourceMappings: { UUID: string }[] }>(emulator, 'GET', 'event-source-mappings/');
	if (found.length !== 1) throw new Error(`There are ${found.length} event sources.`);
	await call(emulator, 'PUT', `event-source-mappings/${found[0]?.UUID ?? ''}`, { Enabled });
}

const events = <Answer>(emulator: Emulator, action: string, body: object) =>
	jsonCall<Answer>(emulator, 'events', `AWSEvents.${action}`, body);

/** Stops and starts the rule that runs the sweep. @throws Error unless there is just one rule */
export async function setSweep(emulator: Emulator, enabled: boolean): Promise<void> {
	const { Rules } = await events<{ Rules: { Name: string }[] }>(emulator, 'ListRules', {});
	if (Rules.length !== 1) throw new Error(`There are ${Rules.length} rules.`);
	await events(emulator, enabled ? 'EnableRule' : 'DisableRule', { Name: Rules[0]?.Name });
}

/** What a deployed function has in its environment, by a part of its name. @throws Error unless there is just one */
export async function functionEnvironment(emulator: Emulator, name: string): Promise<Readonly<Record<string, string>>> {
	const { Functions } = await call<{
		Functions: { FunctionName: string; Environment?: { Variables: Record<string, string> } }[];
	}>(emulator, 'GET', 'functions/');
	const found = Functions.filter(({ FunctionName }) => FunctionName.includes(name));
	if (found.length !== 1) throw new Error(`There are ${found.length} functions ${name}.`);
	return found[0]?.Environment?.Variables ?? {};
}

/** Kills every process of a function as a machine that fails would. @returns how many there were */
export function killFunction(emulator: Emulator, name: string): number {
	const victims = readdirSync('/proc')
		.filter((entry) => /^\d+$/.test(entry))
		.filter((pid) => isFunction(pid, emulator.pid, name));
	for (const pid of victims) process.kill(Number(pid), 'SIGKILL');
	return victims.length;
}

function isFunction(pid: string, parent: number, name: string): boolean {
	try {
		const ppid = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
		return (
			Number(ppid) === parent &&
			new RegExp(`(^|\0)AWS_LAMBDA_FUNCTION_NAME=[^\0]*${name}`).test(readFileSync(`/proc/${pid}/environ`, 'utf8'))
		);
	} catch {
		// It has ended in the meantime.
		return false;
	}
}
