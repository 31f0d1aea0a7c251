/** Starts one slot, says so, and waits to be killed: `node start-and-wait.ts SPEC_JSON`. */
import { setTimeout as pause } from 'node:timers/promises';
import type { SlotSpec } from '../../../../core/ports.ts';
import { workerHost } from './cluster.ts';

const spec: SlotSpec = JSON.parse(process.argv[2] ?? '');
await workerHost().host.start(spec);
console.log('started');
await pause(600_000);
