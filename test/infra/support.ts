import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import type { CloudAssembly, CloudFormationStackArtifact } from 'aws-cdk-lib/cx-api';
import { VARIANTS } from '../../bin/synth/variants.ts';
import { addStacks } from '../../lib/app.ts';
import { FEATURE_FLAGS } from '../../lib/feature-flags.ts';
import { appConfig } from '../../lib/stage-config.ts';

export interface Resource {
	readonly Type: string;
	// biome-ignore lint/suspicious/noExplicitAny: a template is looked into at any depth; wrong paths fail the test.
	readonly Properties: any;
	readonly DeletionPolicy?: string;
	readonly UpdateReplacePolicy?: string;
	readonly DependsOn?: readonly string[];
	// biome-ignore lint/suspicious/noExplicitAny: as above
	readonly UpdatePolicy?: any;
}

export interface StackTemplate {
	readonly template: Template;
	readonly resources: Readonly<Record<string, Resource>>;
	readonly terminationProtection: boolean;
}

export interface Stage {
	readonly data: StackTemplate;
	readonly cluster: StackTemplate;
	readonly service: StackTemplate;
}

/** An app with a variant's stacks and without its bundles: nothing here looks into code. */
export function appOf(variant: string, more: Readonly<Record<string, unknown>> = {}): App {
	const found = VARIANTS.find(({ name }) => name === variant);
	if (found === undefined) throw new RangeError(`There is no variant ${variant}.`);
	const context = { ...FEATURE_FLAGS, ...found.context, ...more, 'aws:cdk:bundling-stacks': [] };
	const app = new App({ context, outdir: temporaryFolder() });
	addStacks(app, appConfig(app.node.getAllContext()), {});
	return app;
}

export function stageOf(assembly: CloudAssembly, name = 'production'): Stage {
	const stack = (kind: string): StackTemplate => {
		const artifact: CloudFormationStackArtifact = assembly.getStackByName(`wp-clone-${name}-${kind}`);
		const template = Template.fromJSON(artifact.template);
		return {
			template,
			resources: template.toJSON().Resources,
			terminationProtection: artifact.terminationProtection ?? false,
		};
	};
	return { data: stack('data'), cluster: stack('cluster'), service: stack('service') };
}

export function synthesize(variant: string): Stage {
	return stageOf(appOf(variant).synth());
}

/** Resources of a type, in the order of the template. */
export function ofType({ resources }: StackTemplate, type: string): readonly (Resource & { readonly id: string })[] {
	return Object.entries(resources)
		.filter(([, resource]) => resource.Type === type)
		.map(([id, resource]) => ({ id, ...resource }));
}

/** The only resource of its type whose id begins with `id`. */
export function only(stack: StackTemplate, type: string, id = ''): Resource & { readonly id: string } {
	const [found, ...more] = ofType(stack, type).filter((resource) => resource.id.startsWith(id));
	if (found === undefined || more.length > 0) throw new Error(`${found === undefined ? 'No' : 'More than one'} ${type} ${id}`);
	return found;
}

// biome-ignore lint/suspicious/noExplicitAny: manifests are looked into at any depth
export type AnyManifest = any;

/** The manifests that the stack applies, references in them replaced by their names. */
export function manifestsOf(stack: StackTemplate): readonly AnyManifest[] {
	return ofType(stack, 'Custom::AWSCDK-EKS-KubernetesResource').flatMap(({ Properties }) => JSON.parse(flat(Properties.Manifest)));
}

/** Text with references in it: `Fn::Join` put together, a reference as `<name>`. */
export function flat(value: unknown): string {
	if (typeof value === 'string') return value;
	if (typeof value !== 'object' || value === null) return String(value);
	if ('Fn::Join' in value && Array.isArray(value['Fn::Join'])) {
		const [separator, parts] = value['Fn::Join'];
		return parts.map(flat).join(separator);
	}
	if ('Ref' in value) return `<${value.Ref}>`;
	if ('Fn::GetAtt' in value && Array.isArray(value['Fn::GetAtt'])) return `<${value['Fn::GetAtt'].join('.')}>`;
	if ('Fn::ImportValue' in value) return `<${flat(value['Fn::ImportValue'])}>`;
	if ('Fn::Sub' in value) return flat(value['Fn::Sub']);
	return `<${Object.keys(value).join()}>`;
}

const folders: string[] = [];

function temporaryFolder(): string {
	const folder = mkdtempSync(join(tmpdir(), 'infra-'));
	folders.push(folder);
	return folder;
}

export function removeTemporaryFolders(): void {
	for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
