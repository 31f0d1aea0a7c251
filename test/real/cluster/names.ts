/**
 * The name server of the cluster's network: every name below `clones.test` is the ingress, every other one does not exist.
 * So a clone is reached by its name with no program being told anything special.
 */
import { createSocket } from 'node:dgram';
import { CLONE_DOMAIN, INGRESS_ADDRESS, NODE_ADDRESS } from './layout.ts';

const TYPE_A = 1;
const NAME_ERROR = 3;

/** The answer to one DNS query (RFC 1035); undefined when it is none. */
function answer(query: Buffer): Buffer | undefined {
	if (query.length < 17 || (query.readUInt8(2) & 0x80) !== 0 || query.readUInt16BE(4) !== 1) return undefined;
	const labels: string[] = [];
	let at = 12;
	for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
		if (length > 63 || at + length + 5 >= query.length) return undefined;
		labels.push(query.toString('latin1', at + 1, at + 1 + length).toLowerCase());
		at += length + 1;
	}
	const type = query.readUInt16BE(at + 1);
	const question = query.subarray(12, at + 5);
	const name = labels.join('.');
	const ours = name === CLONE_DOMAIN || name.endsWith(`.${CLONE_DOMAIN}`);
	const address = ours && type === TYPE_A ? [pointerTo(INGRESS_ADDRESS)] : [];
	const header = Buffer.alloc(12);
	query.copy(header, 0, 0, 2);
	header.writeUInt16BE(0x8580 | (ours ? 0 : NAME_ERROR), 2);
	header.writeUInt16BE(1, 4);
	header.writeUInt16BE(address.length, 6);
	return Buffer.concat([header, question, ...address]);
}

function pointerTo(address: string): Buffer {
	const record = Buffer.from([0xc0, 12, 0, TYPE_A, 0, 1, 0, 0, 0, 30, 0, 4]);
	return Buffer.concat([record, Buffer.from(address.split('.').map(Number))]);
}

const socket = createSocket('udp4');
socket.on('message', (query, from) => {
	try {
		const reply = answer(query);
		if (reply !== undefined) socket.send(reply, from.port, from.address);
	} catch (cause) {
		// A malformed packet is nobody's question.
		console.error(cause);
	}
});
socket.bind(53, NODE_ADDRESS);
