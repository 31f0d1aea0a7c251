/** One line that fills up on a terminal; on anything else a line whenever the message changes. */
export function progressBar(out: NodeJS.WriteStream): { update(percent: number, message: string): void; end(): void } {
	const started = performance.now();
	let last = '';
	return {
		update(percent, message) {
			const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
			const filled = Math.round(percent / 4);
			const line = `${seconds} s  [${'#'.repeat(filled)}${'.'.repeat(25 - filled)}] ${String(Math.floor(percent)).padStart(3)} %  ${message}`;
			if (out.isTTY) out.write(`\r\u001b[2K${line.slice(0, (out.columns ?? 120) - 1)}`);
			else if (message !== last) out.write(`${line}\n`);
			last = message;
		},
		end() {
			if (out.isTTY) out.write('\n');
		},
	};
}
