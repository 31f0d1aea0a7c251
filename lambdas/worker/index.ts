/** The worker's Lambda function. */
import { join } from 'node:path';
import { parseWorkerEnvironment } from '../shared/environment.ts';
import { createAwsWorker } from './aws-worker.ts';

export const handler = createAwsWorker(parseWorkerEnvironment(process.env), {
	service: 'worker',
	traceHeader: () => process.env._X_AMZN_TRACE_ID,
	pluginFolder: join(import.meta.dirname, 'custom-migrator'),
});
