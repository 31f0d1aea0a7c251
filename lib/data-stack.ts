import { Aws, CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Tags } from 'aws-cdk-lib';
import { AttributeType, BillingMode, ProjectionType, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { TABLE_INDEXES, TABLE_KEYS, TTL_ATTRIBUTE } from '../adapters/aws/table-schema.ts';
import { CallerPool } from './constructs/service/caller-pool.ts';
import { LOAD_BALANCER_LOG_PREFIX, NETWORK_LOG_PREFIX, namesOf, PRODUCT } from './names.ts';
import type { StageConfig } from './stage-config.ts';

/** How long a restore can be undone, days. */
const BACKUP_DAYS = 14;
const ACCESS_LOG_DAYS = 90;

/**
 * What is kept: the table, the backups of restores, the key. Nothing in here is ever replaced or deleted by a deployment,
 * and `cdk destroy` leaves it.
 */
export class DataStack extends Stack {
	readonly table: Table;
	readonly key: Key;
	readonly backups: Bucket;
	/** Access logs of buckets, load balancer and network. */
	readonly logs: Bucket;
	/** Only with `auth: "cognito"`. */
	readonly callers: CallerPool | null;

	constructor(scope: Construct, id: string, props: StackProps & { readonly config: StageConfig }) {
		super(scope, id, { terminationProtection: true, description: 'WordPress clones: what is kept', ...props });
		Tags.of(this).add('application', PRODUCT);
		this.key = new Key(this, 'Key', {
			description: 'Seals the passwords of sources and targets; encrypts the table and the backups.',
			enableKeyRotation: true,
			removalPolicy: RemovalPolicy.RETAIN,
		});
		this.table = jobTable(this, this.key);
		this.logs = new Bucket(this, 'Logs', {
			// Load balancers write to no bucket with a customer's key.
			encryption: BucketEncryption.S3_MANAGED,
			enforceSSL: true,
			minimumTLSVersion: 1.2,
			blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
			objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
			lifecycleRules: [{ expiration: Duration.days(ACCESS_LOG_DAYS) }],
			removalPolicy: RemovalPolicy.RETAIN,
		});
		allowLogDelivery(this.logs);
		this.backups = new Bucket(this, 'Backups', {
			encryption: BucketEncryption.KMS,
			encryptionKey: this.key,
			bucketKeyEnabled: true,
			enforceSSL: true,
			minimumTLSVersion: 1.2,
			versioned: true,
			blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
			objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
			serverAccessLogsBucket: this.logs,
			serverAccessLogsPrefix: 'backups/',
			lifecycleRules: [
				{
					expiration: Duration.days(BACKUP_DAYS),
					noncurrentVersionExpiration: Duration.days(1),
					abortIncompleteMultipartUploadAfter: Duration.days(1),
				},
			],
			removalPolicy: RemovalPolicy.RETAIN,
		});
		this.callers = props.config.auth === 'cognito' ? new CallerPool(this, 'Callers', { names: namesOf(props.config) }) : null;
		this.#say();
	}

	#say(): void {
		new CfnOutput(this, 'TableName', { value: this.table.tableName });
		new CfnOutput(this, 'BackupBucket', { value: this.backups.bucketName });
		new CfnOutput(this, 'KeyArn', { value: this.key.keyArn });
		new CfnOutput(this, 'LeftByDestroy', {
			value:
				'cdk destroy leaves this stack: table, backup and log buckets, key, user pool. When nobody needs them: switch its termination protection off, destroy it, and delete what it keeps by hand.',
		});
	}
}

/** Load balancers and flow logs of this account may write. Said here, so that no stack that uses the bucket changes its policy. */
function allowLogDelivery(logs: Bucket): void {
	const write = (service: string, prefix: string, conditions: Record<string, Record<string, string>>): void => {
		logs.addToResourcePolicy(
			new PolicyStatement({
				principals: [new ServicePrincipal(service)],
				actions: ['s3:PutObject'],
				resources: [logs.arnForObjects(`${prefix}/*`)],
				conditions,
			}),
		);
	};
	const balancers = Stack.of(logs).formatArn({ service: 'elasticloadbalancing', resource: 'loadbalancer', resourceName: '*' });
	write('logdelivery.elasticloadbalancing.amazonaws.com', LOAD_BALANCER_LOG_PREFIX, { ArnLike: { 'aws:SourceArn': balancers } });
	const ofThisAccount = { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } };
	write('delivery.logs.amazonaws.com', NETWORK_LOG_PREFIX, ofThisAccount);
	logs.addToResourcePolicy(
		new PolicyStatement({
			principals: [new ServicePrincipal('delivery.logs.amazonaws.com')],
			actions: ['s3:GetBucketAcl', 's3:ListBucket'],
			resources: [logs.bucketArn],
			conditions: ofThisAccount,
		}),
	);
}

/** One table; keys and indexes are the store's (adapters/aws). */
function jobTable(scope: Construct, key: Key): Table {
	const text = (name: string) => ({ name, type: AttributeType.STRING });
	const table = new Table(scope, 'Table', {
		partitionKey: text(TABLE_KEYS.partitionKey),
		sortKey: text(TABLE_KEYS.sortKey),
		timeToLiveAttribute: TTL_ATTRIBUTE,
		billingMode: BillingMode.PAY_PER_REQUEST,
		encryption: TableEncryption.CUSTOMER_MANAGED,
		encryptionKey: key,
		pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
		deletionProtection: true,
		removalPolicy: RemovalPolicy.RETAIN,
	});
	for (const { indexName, partitionKey, sortKey } of TABLE_INDEXES) {
		table.addGlobalSecondaryIndex({
			indexName,
			partitionKey: text(partitionKey),
			sortKey: text(sortKey),
			projectionType: ProjectionType.ALL,
		});
	}
	return table;
}
