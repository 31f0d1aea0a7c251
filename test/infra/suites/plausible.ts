/** What an environment's references may become when it is deployed: the code checks the form of each. */
const DEPLOYED: Readonly<Record<string, string>> = {
	TABLE_NAME: 'data-Table-1ABC',
	KMS_KEY_ID: '11111111-2222-3333-4444-555555555555',
	QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/123456789012/jobs',
	QUEUE_ARN: 'arn:aws:sqs:eu-central-1:123456789012:jobs',
	SCHEDULE_DLQ_ARN: 'arn:aws:sqs:eu-central-1:123456789012:jobs-dead',
	SCHEDULE_ROLE_ARN: 'arn:aws:iam::123456789012:role/schedules',
	KUBE_API_URL: 'https://0123.gr7.eu-central-1.eks.amazonaws.com',
	KUBE_CA: 'Q0E=',
	CLONE_IMAGE: '123456789012.dkr.ecr.eu-central-1.amazonaws.com/assets:0123',
	MYSQL_HOST: 'mysql.eu-central-1.rds.amazonaws.com',
	MYSQL_SECRET_ARN: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds',
};

/** @param variables as in a template: text, or a reference, for which DEPLOYED has to have a value */
export function plausible(variables: Readonly<Record<string, unknown>>): Record<string, string> {
	return Object.fromEntries(
		Object.entries(variables).map(([name, value]) => {
			if (typeof value === 'string' && !value.startsWith('<')) return [name, value];
			const deployed = DEPLOYED[name];
			if (deployed === undefined) throw new RangeError(`What may ${name} become?`);
			return [name, deployed];
		}),
	);
}
