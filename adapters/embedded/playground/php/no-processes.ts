import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';

/** What a shell answers when there is no such command. */
const NOT_FOUND = 127;

/**
 * What PHP gets for exec, proc_open, popen and mail's sendmail: a process that has ended already, as if the program
 * were not installed. Nothing is ever started. (With no handler at all php-wasm leaves PHP waiting for ever.)
 */
class NoProcess extends EventEmitter {
	readonly pid: number;
	readonly stdin = new PassThrough().resume();
	readonly stdout = new PassThrough();
	readonly stderr = new PassThrough();

	constructor(pid: number) {
		super();
		this.pid = pid;
		setImmediate(() => {
			this.emit('spawn');
			this.stdout.end();
			this.stderr.end();
			setImmediate(() => {
				this.emit('exit', NOT_FOUND);
				this.emit('close', NOT_FOUND);
			});
		});
	}

	kill(): boolean {
		return false;
	}
}

/** A spawn handler for php-wasm. */
export function noProcesses(): () => EventEmitter {
	let pid = 1000;
	return () => new NoProcess(++pid);
}
