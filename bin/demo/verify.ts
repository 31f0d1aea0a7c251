/** Looks at a clone from outside, over HTTP, as its user would. Each check says what it saw. */
import { Browser } from './browser.ts';

export interface Check {
	readonly name: string;
	readonly ok: boolean;
	readonly saw: string;
}

interface Post {
	readonly id: number;
	readonly slug: string;
	readonly title: { readonly rendered: string };
	readonly content: { readonly rendered: string };
}

export async function verifyClone(
	sourceUrl: string,
	clone: { readonly clone_url: string; readonly login_url: string },
): Promise<readonly Check[]> {
	const checks: Check[] = [];
	const check = (name: string, ok: boolean, saw: string): void => {
		checks.push({ name, ok, saw });
	};

	const stranger = await new Browser().open(`${clone.clone_url}/`);
	check('a stranger is asked to log in', stranger.url.includes('wp-login.php'), `${stranger.status} ${stranger.url}`);
	const robots = stranger.headers.get('x-robots-tag') ?? '';
	check('no search engine is let in', robots.includes('noindex'), `X-Robots-Tag: ${robots}`);

	const admin = new Browser();
	const dashboard = await admin.open(clone.login_url);
	check(
		'the login link opens the dashboard',
		dashboard.status === 200 && dashboard.url.includes('/wp-admin/'),
		`${dashboard.status} ${new URL(dashboard.url).pathname}`,
	);
	const again = await new Browser().open(clone.login_url);
	check('the login link works only once', !again.url.includes('/wp-admin/'), `${again.status} ${new URL(again.url).pathname}`);

	const home = await admin.open(`${clone.clone_url}/`);
	check('the home page is served', home.status === 200, String(home.status));
	check('no address of the source is left on it', !home.text.includes(sourceUrl), `${home.text.split(sourceUrl).length - 1} found`);

	const nonce = (await admin.open(`${clone.clone_url}/wp-admin/admin-ajax.php?action=rest-nonce`)).text.trim();
	for (const kind of ['posts', 'pages', 'media', 'comments']) {
		const route = `/?rest_route=/wp/v2/${kind}&per_page=100&orderby=id&order=asc`;
		const there = await new Browser().open(`${sourceUrl}${route}`);
		const here = await admin.open(`${clone.clone_url}${route}`, { 'x-wp-nonce': nonce });
		// The clone is looked at as its administrator, who may see more: all that the public sees must be there, and equal.
		const shown = items(there.text, sourceUrl);
		const have = items(here.text, clone.clone_url);
		const missing = [...shown].filter(([id, text]) => have.get(id) !== text).map(([id]) => id);
		check(
			`${kind} are the same`,
			shown.size > 0 && missing.length === 0,
			`${shown.size} on the source, other or missing on the clone: ${missing.join(', ') || 'none'}`,
		);
	}
	return checks;
}

/** What of a REST list must be equal on both sites, by id, with each site's own address taken out. */
function items(json: string, url: string): ReadonlyMap<number, string> {
	const list = JSON.parse(json) as readonly Post[];
	if (!Array.isArray(list)) return new Map();
	return new Map(
		list.map((item) => [item.id, JSON.stringify([item.slug, item.title?.rendered, item.content?.rendered]).replaceAll(url, '{site}')]),
	);
}
