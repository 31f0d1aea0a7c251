/** `npm start`: the whole service on one machine. */
import { createConsoleTelemetry, systemClock } from '../adapters/embedded/system.ts';
import { ProductError } from '../core/errors.ts';
import { startService } from './serve/service.ts';
import { parseServeSettings } from './serve/settings.ts';

try {
	const settings = parseServeSettings(process.argv.slice(2), process.env);
	const telemetry = createConsoleTelemetry({
		write: (line) => process.stderr.write(`${line}\n`),
		clock: systemClock,
		metrics: settings.metrics,
	});
	const service = await startService(settings, telemetry);
	if (service.newToken !== null) {
		console.log(`Token of the first owner (kept in ${settings.data}/token, shown only now): ${service.newToken}`);
	}
	console.log(`Listening on ${service.url}  (documentation: ${service.url}/docs)`);
	const stop = (signal: NodeJS.Signals): void => {
		process.once(signal, () => process.exit(130));
		telemetry.log('info', `${signal}: stopping; clones stay up until their time.`);
		service.stop().then(
			() => process.exit(0),
			(error: unknown) => {
				telemetry.log('error', 'The service did not stop cleanly.', { error });
				process.exit(1);
			},
		);
	};
	process.once('SIGTERM', stop);
	process.once('SIGINT', stop);
} catch (error) {
	// A fault of configuration or surroundings is said in a sentence; anything else is a bug and shows where.
	const plain = error instanceof ProductError || (error instanceof Error && error.constructor === Error);
	console.error(plain ? error.message : error);
	process.exit(1);
}
