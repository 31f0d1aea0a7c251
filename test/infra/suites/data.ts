import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { ofType, only, type Stage } from '../support.ts';
import { outline } from './outline.ts';

export function dataSuite(stage: () => Stage): void {
	describe('the data stack', () => {
		it('reads like this', async () => {
			await expect(outline(stage().data)).toMatchFileSnapshot('snapshots/data.txt');
		});

		it('has the table that the store was written for', () => {
			const text = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' });
			const keys = (hash: string, range: string) => [
				{ AttributeName: hash, KeyType: 'HASH' },
				{ AttributeName: range, KeyType: 'RANGE' },
			];
			const table = only(stage().data, 'AWS::DynamoDB::Table').Properties;
			expect(table.KeySchema).toEqual(keys('pk', 'sk'));
			expect(table.AttributeDefinitions).toEqual(['pk', 'sk', 'gsi1pk', 'gsi1sk', 'gsi2pk', 'gsi2sk'].map(text));
			expect(table.GlobalSecondaryIndexes).toEqual([
				{ IndexName: 'gsi1', KeySchema: keys('gsi1pk', 'gsi1sk'), Projection: { ProjectionType: 'ALL' } },
				{ IndexName: 'gsi2', KeySchema: keys('gsi2pk', 'gsi2sk'), Projection: { ProjectionType: 'ALL' } },
			]);
			expect(table).toMatchObject({
				TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
				BillingMode: 'PAY_PER_REQUEST',
				PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
				DeletionProtectionEnabled: true,
				SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
			});
		});

		it('keeps what it holds, whatever is done to the stack', () => {
			const { data } = stage();
			expect(data.terminationProtection).toBe(true);
			for (const type of ['AWS::DynamoDB::Table', 'AWS::S3::Bucket', 'AWS::KMS::Key']) {
				expect(ofType(data, type).length).toBeGreaterThan(0);
				for (const resource of ofType(data, type))
					expect(resource, resource.id).toMatchObject({ DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
			}
			expect(JSON.stringify(data.template.findOutputs('LeftByDestroy'))).toContain('cdk destroy leaves');
		});

		it('turns its key', () => {
			stage().data.template.allResourcesProperties('AWS::KMS::Key', { EnableKeyRotation: true });
		});

		it('encrypts its buckets, shows them to nobody and speaks TLS only', () => {
			const { data } = stage();
			for (const { id, Properties } of ofType(data, 'AWS::S3::Bucket')) {
				expect(Properties.BucketEncryption, id).toBeDefined();
				expect(Object.values(Properties.PublicAccessBlockConfiguration), id).toEqual([true, true, true, true]);
				data.template.hasResourceProperties('AWS::S3::BucketPolicy', {
					Bucket: { Ref: id },
					PolicyDocument: {
						Statement: Match.arrayWith([Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } })]),
					},
				});
			}
		});

		it('forgets backups after the 14 days in which a restore can be undone', () => {
			const [rule] = only(stage().data, 'AWS::S3::Bucket', 'Backups').Properties.LifecycleConfiguration.Rules;
			expect(rule).toMatchObject({ ExpirationInDays: 14, Status: 'Enabled' });
		});
	});
}
