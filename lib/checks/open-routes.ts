import { Stack } from 'aws-cdk-lib';
import { CfnResource as ApiResource, CfnMethod } from 'aws-cdk-lib/aws-apigateway';
import { CfnRoute } from 'aws-cdk-lib/aws-apigatewayv2';
import { CfnUrl } from 'aws-cdk-lib/aws-lambda';
import type { IConstruct } from 'constructs';

/** The routes that anybody may call: they read nothing of anybody's. `/docs/{file}` are the parts of the page. */
export const OPEN_ROUTES: readonly string[] = ['GET /health', 'GET /openapi.json', 'GET /docs', 'GET /docs/{file}'];

/** @returns a sentence for every way in below `root` that needs no authorisation and is not one of OPEN_ROUTES */
export function openRouteFaults(root: IConstruct): string[] {
	return root.node.findAll().flatMap((node) => {
		if (node instanceof CfnMethod) {
			const route = `${node.httpMethod} ${pathOf(node)}`;
			if (node.authorizationType !== undefined && node.authorizationType !== 'NONE') return [];
			return OPEN_ROUTES.includes(route) ? [] : [`${route} needs no authorisation; only ${OPEN_ROUTES.join(', ')} may be so.`];
		}
		if (node instanceof CfnUrl && node.authType === 'NONE') return [`${node.node.path} is a function URL without authorisation.`];
		if (node instanceof CfnRoute && (node.authorizationType ?? 'NONE') === 'NONE') {
			return [`${node.routeKey} (${node.node.path}) needs no authorisation.`];
		}
		return [];
	});
}

/** The path of a method, from the resources above it. */
function pathOf(method: CfnMethod): string {
	const resources = Stack.of(method)
		.node.findAll()
		.filter((node) => node instanceof ApiResource);
	const parts: string[] = [];
	for (let id = reference(method, method.resourceId); id !== null; ) {
		const resource = resources.find((candidate) => Stack.of(candidate).getLogicalId(candidate) === id);
		if (resource === undefined) break;
		parts.unshift(resource.pathPart);
		id = reference(method, resource.parentId);
	}
	return `/${parts.join('/')}`;
}

function reference(scope: IConstruct, value: unknown): string | null {
	const resolved: unknown = Stack.of(scope).resolve(value);
	if (typeof resolved !== 'object' || resolved === null || !('Ref' in resolved)) return null;
	return typeof resolved.Ref === 'string' ? resolved.Ref : null;
}
