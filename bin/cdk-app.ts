/** The CDK app: `cdk deploy --all`. Settings: lib/stage-config.ts. */
import { App } from 'aws-cdk-lib';
import { addStacks } from '../lib/app.ts';
import { FEATURE_FLAGS } from '../lib/feature-flags.ts';
import { appConfig, SettingsError } from '../lib/stage-config.ts';

const app = new App({ context: FEATURE_FLAGS });
try {
	addStacks(app, appConfig(app.node.getAllContext()), {
		account: process.env.CDK_DEFAULT_ACCOUNT,
		region: process.env.CDK_DEFAULT_REGION,
	});
} catch (error) {
	if (!(error instanceof SettingsError)) throw error;
	console.error(`\n${error.message}\n`);
	process.exit(1);
}
