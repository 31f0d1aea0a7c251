import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { expect, it } from 'vitest';
import { RDS_AUTHORITIES } from '../../adapters/aws/rds-authorities.ts';

it('holds the authorities that RDS signs with today, in every large region, and nothing but authorities', () => {
	const certificates = (RDS_AUTHORITIES.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
		(pem) => new X509Certificate(pem),
	);
	expect(certificates.filter(({ ca }) => !ca)).toEqual([]);
	expect(() => createSecureContext({ ca: RDS_AUTHORITIES })).not.toThrow();
	const lasting = certificates.filter(({ validTo }) => new Date(validTo).getUTCFullYear() >= 2060).map(({ subject }) => subject);
	for (const region of ['eu-central-1', 'eu-west-1', 'us-east-1', 'us-west-2', 'ap-southeast-2']) {
		// What a new server's certificate is signed by unless another is asked for.
		expect(
			lasting.some((subject) => subject.includes(`CN=Amazon RDS ${region} Root CA RSA2048 G1`)),
			region,
		).toBe(true);
	}
});
