/** A template as a page to read: what there is, and who may do what. */
import { flat, type Resource, type StackTemplate } from '../support.ts';

/** Hashes of paths would change with every rename of a parent, those of versions with the code. */
const plain = (id: string): string => id.replace(/[0-9A-F]{8}([0-9a-f]{32})?$/, '');
const short = (text: string): string =>
	text.replaceAll(/([0-9A-F]{8})(?=[A-Za-z.>/:]|$)/g, '').replaceAll(/<wp-clone-\w+-\w+:ExportsOutput(FnGetAtt|Ref)(\w+)>/g, '<$2>');

export function outline({ resources }: StackTemplate): string {
	const byType = Map.groupBy(Object.entries(resources), ([, { Type }]) => Type);
	const things = [...byType]
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(
			([type, entries]) =>
				`${type}\n${entries
					.map(([id, resource]) => `  ${plain(id)}${kept(resource)}`)
					.sort()
					.join('\n')}`,
		);
	const rights = Object.entries(resources)
		.filter(([, { Type }]) => Type === 'AWS::IAM::Policy' || Type === 'AWS::IAM::ManagedPolicy')
		.map(([id, { Properties }]) => `${plain(id)}\n${Properties.PolicyDocument.Statement.map(statement).join('\n')}`)
		.sort();
	const managed = Object.entries(resources)
		.filter(([, { Type, Properties }]) => Type === 'AWS::IAM::Role' && Properties.ManagedPolicyArns !== undefined)
		.map(([id, { Properties }]) => `${plain(id)}\n${Properties.ManagedPolicyArns.map(policyOfAws).join('\n')}`)
		.sort();
	const others = managed.length === 0 ? '' : `\nWho has a policy of AWS's\n\n${managed.join('\n')}\n`;
	return `${things.join('\n')}\n\nWho may do what\n\n${rights.join('\n')}\n${others}`;
}

function policyOfAws(arn: unknown): string {
	const [name = ''] = /\w+(?=["\]},]*$)/.exec(JSON.stringify(arn).replace(/,\{"Ref":"AWS::NoValue"\}/, '')) ?? [];
	return `  ${name}`;
}

function kept({ DeletionPolicy }: Resource): string {
	return DeletionPolicy === 'Retain' ? ' (kept)' : '';
}

function statement({ Action, Resource: resource, Condition }: { Action: unknown; Resource: unknown; Condition?: unknown }): string {
	const actions = [Action].flat().join(' ');
	const on = [resource].flat().map((one) => short(flat(one)));
	return `  ${actions}${Condition === undefined ? '' : ' (on conditions)'}\n${on.map((one) => `    on ${one}`).join('\n')}`;
}
