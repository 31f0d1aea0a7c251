/**
 * A synthesized template as the emulator takes it. What is left out is what it refuses: saved queries, CodeDeploy (with the policy of
 * the aliases), alarms on expressions, and what belongs to the cluster. Everything else stays as it was synthesized.
 */
export interface TemplateResource {
	readonly Type: string;
	Properties?: Record<string, unknown>;
	DependsOn?: string | string[];
	UpdatePolicy?: unknown;
}
export interface StackTemplate {
	Resources: Record<string, TemplateResource>;
	Outputs?: Record<string, { Value: unknown }>;
	Parameters?: Record<string, unknown>;
	Rules?: Record<string, unknown>;
}

const isRefused = ({ Type, Properties = {} }: TemplateResource): boolean =>
	/^(AWS::CodeDeploy::|AWS::EKS::|AWS::Logs::QueryDefinition$|Custom::AWSCDK-EKS)/.test(Type) ||
	(Type === 'AWS::CloudWatch::Alarm' && 'Metrics' in Properties);

/**
 * @param imported what other stacks' exports are, by a part of their names
 * @returns the template, and the resources that were left out
 */
export function stripped(
	synthesized: StackTemplate,
	imported: Readonly<Record<string, string>>,
): { readonly template: StackTemplate; readonly removed: readonly string[] } {
	const known = structuredClone(synthesized);
	const removed = Object.entries(known.Resources).flatMap(([id, resource]) => (isRefused(resource) ? [id] : []));
	for (const id of removed) delete known.Resources[id];
	const template = withImports(known, imported) as StackTemplate;
	for (const resource of Object.values(template.Resources)) {
		delete resource.UpdatePolicy;
		const kept = [resource.DependsOn ?? []].flat().filter((id) => !removed.includes(id));
		if (kept.length > 0) resource.DependsOn = kept;
		else delete resource.DependsOn;
	}
	// A check of `cdk bootstrap`, at deployment.
	delete template.Parameters?.BootstrapVersion;
	delete template.Rules;
	return { template, removed };
}

function withImports(value: unknown, imported: Readonly<Record<string, string>>): unknown {
	if (Array.isArray(value)) return value.map((item) => withImports(item, imported));
	if (typeof value !== 'object' || value === null) return value;
	if ('Fn::ImportValue' in value) {
		const name = String(value['Fn::ImportValue']);
		const found = Object.entries(imported).find(([part]) => name.includes(part));
		if (found === undefined) throw new RangeError(`Nothing is given for the import ${name}.`);
		return found[1];
	}
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withImports(item, imported)]));
}
