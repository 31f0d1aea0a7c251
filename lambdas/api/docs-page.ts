/** The page at /docs: Swagger UI from the package swagger-ui-dist, no other host involved. */
import type { APIGatewayProxyResult } from 'aws-lambda';
import { Problem } from '../../core/api/problems.ts';

export interface DocsFile {
	readonly contentType: string;
	readonly body: Uint8Array;
}

/** Gives a file of Swagger UI by its name, null for any name that is not one of the few it serves. */
export type DocsFiles = (name: string) => Promise<DocsFile | null>;

/** Swagger UI sets style attributes and loads `data:` images; scripts and calls are the service's own only. */
const PAGE_POLICY = [
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self' 'unsafe-inline'",
	"img-src 'self' data:",
	"connect-src 'self'",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
].join('; ');

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>WordPress clone service: API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/init.js"></script>
</body>
</html>
`;

const INIT = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#api', validatorUrl: null, deepLinking: true, persistAuthorization: false });
`;

/** Its links are relative (the service may live under a stage's path), so it must not be read at \`/docs/\`. */
export function docsPage(path: string): APIGatewayProxyResult {
	if (path.endsWith('/')) return { statusCode: 308, headers: { Location: '../docs' }, body: '' };
	return { statusCode: 200, headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': PAGE_POLICY }, body: PAGE };
}

/** @throws Problem `not_found` */
export async function docsFile(files: DocsFiles, name: string): Promise<APIGatewayProxyResult> {
	if (name === 'init.js') return { statusCode: 200, headers: { 'Content-Type': 'text/javascript; charset=utf-8' }, body: INIT };
	const file = await files(name);
	if (file === null) throw new Problem('not_found');
	return {
		statusCode: 200,
		headers: { 'Content-Type': file.contentType, 'Cache-Control': 'public, max-age=3600' },
		body: Buffer.from(file.body).toString('base64'),
		isBase64Encoded: true,
	};
}
