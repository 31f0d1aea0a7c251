/** CDK's switches between old and new behaviour, in the code so that every synth has the same: the CLI's and the tests'. */
export const FEATURE_FLAGS: Readonly<Record<string, boolean | string>> = {
	'@aws-cdk/aws-iam:minimizePolicies': true,
	'@aws-cdk/aws-eks:defaultToAL2023': true,
	'@aws-cdk/core:checkSecretUsage': true,
	// A stack whose values another one uses cannot take them away: exports, as CloudFormation has always had them.
	'@aws-cdk/core:defaultCrossStackReferences': 'strong',
	// Server access logs by bucket policy: without it by ACL, which the bucket does not have.
	'@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy': true,
	'@aws-cdk/aws-codepipeline:defaultPipelineTypeToV2': true,
	'@aws-cdk/pipelines:reduceStageRoleTrustScope': true,
	'@aws-cdk/pipelines:reduceCrossAccountActionRoleTrustScope': true,
	'@aws-cdk/pipelines:reduceAssetRoleTrustScope': true,
};
