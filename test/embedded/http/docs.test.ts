import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Service, startService } from '../../support/memory-api/service.ts';

let service: Service;
beforeAll(async () => {
	service = await startService();
});
afterAll(() => service.stop());

describe('/docs', () => {
	it('is a page whose every file comes from the service itself', async () => {
		const page = await service.call('GET', '/docs', { token: null });
		expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
		const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? '');
		expect(links).toEqual(['docs/favicon-32x32.png', 'docs/swagger-ui.css', 'docs/swagger-ui-bundle.js', 'docs/init.js']);
		const policy = page.headers.get('content-security-policy') ?? '';
		expect(policy).toContain("default-src 'none'");
		expect(policy).not.toMatch(/https?:|\*|script-src[^;]*unsafe/);
		const files = await Promise.all(links.map((link) => service.call('GET', `/${link}`, { token: null })));
		expect(files.map((file) => [file.status, file.headers.get('content-type')])).toEqual([
			[200, 'image/png'],
			[200, 'text/css; charset=utf-8'],
			[200, 'text/javascript; charset=utf-8'],
			[200, 'text/javascript; charset=utf-8'],
		]);
		expect(files[2]?.text).toContain('SwaggerUIBundle');
		expect(files[3]?.text).toContain("url: 'openapi.json'");
		expect(service.calls).toEqual([]);
	});

	it('leads from /docs/ to /docs, because its links are relative', async () => {
		const answer = await fetch(`${service.url}/docs/`, { redirect: 'manual' });
		expect([answer.status, new URL(answer.headers.get('location') ?? '', answer.url).pathname]).toEqual([308, '/docs']);
	});
});
