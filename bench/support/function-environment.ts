/** What a function is told where it runs; nothing of it is reached by importing. */
export const FUNCTION_ENVIRONMENT: Readonly<Record<string, string>> = {
	STAGE: 'bench',
	AUTH: 'iam',
	TABLE_NAME: 'jobs',
	QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/123456789012/jobs',
	QUEUE_ARN: 'arn:aws:sqs:eu-central-1:123456789012:jobs',
	KMS_KEY_ID: 'key',
	SCHEDULE_GROUP: 'clones',
	SCHEDULE_ROLE_ARN: 'arn:aws:iam::123456789012:role/schedules',
	CLUSTER_NAME: 'clones',
	CLONE_DOMAIN: 'clones.example.com',
	CLONE_NAMESPACE: 'clones',
	CLONE_IMAGE: 'clone:1',
	KUBE_API_URL: 'https://0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com',
	KUBE_CA: 'YQ==',
	AWS_REGION: 'eu-central-1',
	AWS_LAMBDA_FUNCTION_NAME: 'bench',
};
