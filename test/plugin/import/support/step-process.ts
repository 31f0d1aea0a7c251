/** Runs a slot's import to its end in a process of its own, to be killed: `step-process.ts SLOT_DIR PHP`. */
import { StepHost } from './step-host.ts';

const [, , slotDir = '', version] = process.argv;
const host = await StepHost.start(slotDir, version === '7.4' ? '7.4' : '8.4');
const line = await host.toEnd(3);
process.stdout.write(JSON.stringify(line));
process.exit(0);
