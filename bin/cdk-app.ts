/** The CDK app: `cdk deploy --all`. Settings: lib/stage-config.ts. */
import { App } from 'aws-cdk-lib';
import { addStacks } from '../lib/app.ts';
import { FEATURE_FLAGS } from '../lib/feature-flags.ts';
import { appConfig, SettingsError } from '../lib/stage-config.ts';

const app = new App({ context: FEATURE_FLAGS });
try {
	const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;
	// Without credentials the CLI names a region all the same; then the templates are for any.
	addStacks(app, appConfig(app.node.getAllContext()), account === undefined ? {} : { account, region });
} catch (error) {
	if (!(error instanceof SettingsError)) throw error;
	console.error(`\n${error.message}\n`);
	process.exit(1);
}
