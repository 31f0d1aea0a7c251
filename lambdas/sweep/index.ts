/** The sweep's Lambda function. */
import { join } from 'node:path';
import { parseWorkerEnvironment } from '../shared/environment.ts';
import { createAwsSweep } from './aws-sweep.ts';

export const handler = createAwsSweep(parseWorkerEnvironment(process.env), {
	service: 'sweep',
	traceHeader: () => process.env._X_AMZN_TRACE_ID,
	pluginFolder: join(import.meta.dirname, 'custom-migrator'),
});
