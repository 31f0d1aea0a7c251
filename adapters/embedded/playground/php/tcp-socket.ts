/**
 * What php-wasm takes for a WebSocket, over a plain TCP connection of this process.
 *
 * php-wasm sends PHP's sockets through a WebSocket to a relay that it opens on a loopback port for each PHP: a relay
 * that anyone on the machine (or a web page in its browser) could use, and that asks nobody. This class takes its
 * place: no port, half the copies, and each connection passes the site's NetworkPolicy first.
 *
 * A connection counts as made at once, and one that fails or is refused as closed by the other side: curl in php-wasm
 * does not notice a failed connect() and waits for its whole timeout, but sees an end at once.
 *
 * The surface is what php-wasm's SOCKFS uses of the `ws` package (3.1.56: on, once, removeListener, addEventListener,
 * removeEventListener, send, close, setSocketOpt, readyState and its four constants).
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { NetworkPolicy } from './network-policy.ts';

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** The URL that carries host and port from php-wasm's `url` hook to the constructor. */
export function socketUrl(host: string, port: number): string {
	return `tcp://php/?${new URLSearchParams({ host, port: String(port) })}`;
}

export class TcpSocket extends EventEmitter {
	readonly CONNECTING = CONNECTING;
	readonly OPEN = OPEN;
	readonly CLOSING = CLOSING;
	readonly CLOSED = CLOSED;
	/** Open from the start: Node keeps what is written until the connection stands. */
	readyState: number = OPEN;
	binaryType = 'arraybuffer';
	readonly url: string;
	readonly #socket: Socket | undefined;

	constructor(url: string, policy: NetworkPolicy) {
		super();
		this.setMaxListeners(0);
		this.url = url;
		const query = new URL(url).searchParams;
		process.nextTick(() => this.emit('open'));
		try {
			this.#socket = policy.connect(query.get('host') ?? '', Number(query.get('port')));
		} catch {
			// The policy has told whoever keeps the log.
			setImmediate(() => this.#closed());
			return;
		}
		this.#socket.on('data', (chunk) => this.emit('message', chunk, true));
		// 'close' follows, which is what PHP is told.
		this.#socket.on('error', () => {});
		this.#socket.on('close', () => this.#closed());
	}

	send(data: ArrayBuffer | ArrayBufferView, done?: () => void): void {
		const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
		this.#socket?.write(bytes, () => done?.());
	}

	close(): void {
		if (this.readyState === CLOSED) return;
		this.readyState = CLOSING;
		this.#socket?.end();
	}

	/** Keep-alive and no-delay are all php-wasm passes on; no-delay is always set, and PHP's connections are short. */
	setSocketOpt(): void {}

	addEventListener(event: string, listener: (...args: unknown[]) => void): void {
		this.on(event, listener);
	}

	removeEventListener(event: string, listener: (...args: unknown[]) => void): void {
		this.off(event, listener);
	}

	#closed(): void {
		this.readyState = CLOSED;
		this.emit('close', 1000);
	}
}
