/** The API's Lambda function. */
import { join } from 'node:path';
import { parseApiEnvironment } from '../shared/environment.ts';
import { createAwsApi } from './aws-api.ts';

export const handler = createAwsApi(parseApiEnvironment(process.env), {
	service: 'api',
	traceHeader: () => process.env._X_AMZN_TRACE_ID,
	docsFolder: join(import.meta.dirname, 'docs'),
});
