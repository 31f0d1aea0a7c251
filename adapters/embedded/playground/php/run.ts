import type { PHP, PHPRunOptions } from '@php-wasm/universal';

export interface PhpOutput {
	readonly stdout: string;
	/** What PHP logged. */
	readonly stderr: string;
	/** 0, or 255 after a fatal error. */
	readonly exitCode: number;
}

/** Runs code or a script to its end. @throws when php-wasm itself crashed; the instance is unusable then */
export async function runPhp(php: PHP, options: PHPRunOptions): Promise<PhpOutput> {
	const response = await php.runStream(options);
	// Read side by side: an unread stream would keep the run from ending. A crash errors all of them; the exit code tells it.
	const [stdout, stderr] = [collect(response.stdout), collect(response.stderr)];
	const [out, err, exitCode] = await Promise.all([stdout, stderr, response.exitCode]);
	return { stdout: out, stderr: err, exitCode };
}

/** A chunk of php-wasm's output as a Buffer, not copied. */
export const asBuffer = (chunk: Int8Array): Buffer => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);

async function collect(stream: ReadableStream<Int8Array>): Promise<string> {
	const parts: Buffer[] = [];
	for await (const part of stream) parts.push(asBuffer(part));
	return Buffer.concat(parts).toString('utf8');
}
