/** `node test/real/cluster/main.ts up|down|wipe|run COMMAND…`: the test cluster by hand. */
import { spawnSync } from 'node:child_process';
import { down } from './down.ts';
import { clusterLayout } from './layout.ts';
import { CommandError, inside } from './shell.ts';
import { up } from './up.ts';

const layout = clusterLayout(process.env);
const say = (line: string): void => console.error(line);
const commands: Readonly<Record<string, () => Promise<void>>> = {
	up: () => up(layout, say),
	down: () => down(layout, false),
	wipe: () => down(layout, true),
	run: async () => {
		const [program = 'bash', ...args] = process.argv.slice(3);
		const env = { ...process.env, KUBECONFIG: layout.kubeconfig };
		process.exitCode = spawnSync(...inside(program, args), { stdio: 'inherit', env }).status ?? 1;
	},
};

const command = commands[process.argv[2] ?? ''];
if (command === undefined) {
	console.error(`Say what to do: ${Object.keys(commands).join(', ')}`);
	process.exitCode = 2;
} else {
	try {
		await command();
	} catch (cause) {
		console.error(cause instanceof CommandError ? cause.message : cause);
		process.exitCode = 1;
	}
}
