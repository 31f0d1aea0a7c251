import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import {
	CfnSecurityGroupIngress,
	type IConnectable,
	InstanceType,
	type ISecurityGroup,
	Port,
	SecurityGroup,
	SubnetType,
	type Vpc,
} from 'aws-cdk-lib/aws-ec2';
import {
	CfnDBInstance,
	DatabaseInstance,
	DatabaseInstanceEngine,
	MysqlEngineVersion,
	ParameterGroup,
	StorageType,
} from 'aws-cdk-lib/aws-rds';
import { Construct } from 'constructs';

/** Not MySQL's own 3306, which is what a scan tries first. Everything that connects is told. */
export const MYSQL_PORT = 13_306;

export interface MySqlServerProps {
	readonly vpc: Vpc;
	/** e.g. `t4g.small` */
	readonly instance: string;
	/** What may connect: the cluster's nodes, hence their pods. */
	readonly clients: ISecurityGroup;
}

/**
 * One server for the databases of all clones with `database: "mysql"`. What is in it is thrown away with its clones, so
 * there is one instance, no copy in another zone, and nothing is kept of it.
 */
export class MySqlServer extends Construct {
	readonly instance: DatabaseInstance;
	readonly securityGroup: SecurityGroup;
	/** Name and password of the administrator; RDS keeps and rotates it. */
	readonly secretArn: string;

	constructor(scope: Construct, id: string, props: MySqlServerProps) {
		super(scope, id);
		this.securityGroup = new SecurityGroup(this, 'SecurityGroup', {
			vpc: props.vpc,
			description: 'MySQL of clones',
			allowAllOutbound: false,
		});
		this.securityGroup.addIngressRule(props.clients, Port.tcp(MYSQL_PORT), 'Clones, and workers that are pods');
		const engine = DatabaseInstanceEngine.mysql({ version: MysqlEngineVersion.VER_8_4_8 });
		this.instance = new DatabaseInstance(this, 'Instance', {
			engine,
			vpc: props.vpc,
			vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
			instanceType: new InstanceType(props.instance),
			securityGroups: [this.securityGroup],
			port: MYSQL_PORT,
			manageMasterUserPassword: true,
			parameterGroup: new ParameterGroup(this, 'Parameters', {
				engine,
				description: 'MySQL of clones',
				parameters: {
					// Whoever connects in the clear is refused.
					require_secure_transport: '1',
					max_connections: '1000',
					// The limit that sources have mostly.
					max_allowed_packet: String(64 * 1024 ** 2),
				},
			}),
			storageType: StorageType.GP3,
			allocatedStorage: 50,
			maxAllocatedStorage: 500,
			storageEncrypted: true,
			iamAuthentication: true,
			backupRetention: Duration.days(1),
			autoMinorVersionUpgrade: true,
			deletionProtection: false,
			removalPolicy: RemovalPolicy.DESTROY,
		});
		const { defaultChild } = this.instance.node;
		if (!(defaultChild instanceof CfnDBInstance)) throw new TypeError('The database has no resource.');
		this.secretArn = defaultChild.attrMasterUserSecretSecretArn;
	}
	/** The rule is of the client's stack: this one must not wait for it. */
	allowFrom(scope: Construct, id: string, client: IConnectable): void {
		const [group] = client.connections.securityGroups;
		if (group === undefined) throw new TypeError('A client without a security group.');
		new CfnSecurityGroupIngress(scope, id, {
			groupId: this.securityGroup.securityGroupId,
			sourceSecurityGroupId: group.securityGroupId,
			ipProtocol: 'tcp',
			fromPort: MYSQL_PORT,
			toPort: MYSQL_PORT,
			description: 'A function of the service',
		});
	}
}
