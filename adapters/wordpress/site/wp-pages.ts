/** Reading WordPress's own pages: pure functions of HTML. They go by names in the markup, never by translated text. */

const ENTITIES: Readonly<Record<string, string>> = {
	amp: '&',
	'#038': '&',
	'#38': '&',
	quot: '"',
	'#039': "'",
	'#39': "'",
	lt: '<',
	gt: '>',
};

const decode = (text: string): string => text.replace(/&(#?\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole);

function links(html: string): string[] {
	return [...html.matchAll(/\bhref\s*=\s*("([^"]*)"|'([^']*)')/g)].map((match) => decode(match[2] ?? match[3] ?? ''));
}

const findLink = (html: string, ...parts: readonly string[]): string | null =>
	links(html).find((link) => parts.every((part) => link.includes(part))) ?? null;

/** The value of `<input name="…" value="…">` within a piece of HTML, attributes in any order. */
function inputValue(html: string, name: string): string | null {
	for (const [tag] of html.matchAll(/<input\b[^>]*>/gi)) {
		if (new RegExp(`\\bname\\s*=\\s*["']${name}["']`).test(tag)) return decode(/\bvalue\s*=\s*["']([^"']*)["']/.exec(tag)?.[1] ?? '');
	}
	return null;
}

/** The form whose opening tag matches. */
function formWith(html: string, opening: RegExp): string | null {
	for (const [form] of html.matchAll(/<form\b[\s\S]*?<\/form>/gi)) {
		if (opening.test(/^<form\b[^>]*>/i.exec(form)?.[0] ?? '')) return form;
	}
	return null;
}

/** Anything that only a WordPress page carries. */
export const looksLikeWordPress = (html: string): boolean =>
	/\/wp-(content|includes|admin)\/|https:\/\/api\.w\.org\/|wp-login\.php|name=["']generator["'] content=["']WordPress/i.test(html);

export const isLoginForm = (html: string): boolean =>
	/<form\b[^>]*\bid=["']loginform["']/i.test(html) || (/name=["']log["']/.test(html) && /name=["']pwd["']/.test(html));

/** Fields and frames of the usual captchas and second factors; core's login page has none of them. */
export const asksForMore = (html: string): boolean =>
	/g-recaptcha|h-captcha|cf-turnstile|captcha|two-factor|two_factor|2fa|mo2f|authcode|googleotp|itsec-|otp_code|duo_|wfls-|totp/i.test(
		withoutScriptsOf(html),
	);

/** Form fields, class names and frames only: the text of a page may speak of captchas for other reasons. */
function withoutScriptsOf(html: string): string {
	return [...html.matchAll(/<(input|div|iframe|form|script|button)\b[^>]*>/gi)].map(([tag]) => tag).join('\n');
}

/** wp_die()'s page: WordPress itself refuses, not a firewall. */
export const isWpDie = (html: string): boolean => /<body[^>]*\bid=["']error-page["']/i.test(html) || html.includes('wp-die-message');

export const uploadNonce = (html: string): string | null => {
	const form = formWith(html, /action=upload-plugin/);
	return form === null ? null : inputValue(form, '_wpnonce');
};

/** The nonce that admin pages of newer WordPress hand to their own scripts; null where there is none. */
export const restNonceIn = (html: string): string | null =>
	/createNonceMiddleware\(\s*"([0-9a-f]{10})"/.exec(html)?.[1] ??
	/wpApiSettings\s*=\s*\{[^}]*"nonce":"([0-9a-f]{10})"/.exec(html)?.[1] ??
	null;

export const logoutLink = (html: string): string | null => findLink(html, 'wp-login.php', 'action=logout', '_wpnonce=');

const ofPlugin = (html: string, action: string, file: string): string | null =>
	links(html).find(
		(link) => link.includes(`action=${action}&`) && link.includes('_wpnonce=') && decodeURIComponentSafely(link).includes(`plugin=${file}`),
	) ?? null;

function decodeURIComponentSafely(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

export const activateLink = (html: string, file: string): string | null => ofPlugin(html, 'activate', file);
export const deactivateLink = (html: string, file: string): string | null => ofPlugin(html, 'deactivate', file);

/** "Replace current with uploaded", for a newer, same or older copy that is there already. */
export const overwriteLink = (html: string): string | null =>
	links(html).find(
		(link) => link.includes('action=upload-plugin') && /overwrite=(update|downgrade)-plugin/.test(link) && link.includes('_wpnonce='),
	) ?? null;

export const cancelOverwriteLink = (html: string): string | null => findLink(html, 'upload-plugin-cancel-overwrite', '_wpnonce=');

export const isAlreadyInstalled = (html: string): boolean => html.includes('update-from-upload-comparison');

export const asksForFtp = (html: string): boolean =>
	/id=["']request-filesystem-credentials-form["']/.test(html) ||
	(/name=["']connection_type["']/.test(html) && /name=["']hostname["']/.test(html));

export const isMultisiteAdmin = (html: string): boolean => /<body[^>]*class=["'][^"']*\bmultisite\b/.test(html);

/** The settings menu, which only manage_options shows. */
export const showsSettingsMenu = (html: string): boolean => html.includes('options-general.php');

export const listsPlugin = (html: string, file: string): boolean =>
	html.includes(`data-plugin="${file}"`) || html.includes(`value="${file}"`);

export const bulkPluginsNonce = (html: string): string | null => {
	const form = formWith(html, /id=["']bulk-action-form["']/) ?? html.slice(html.indexOf('bulk-action-form'));
	return inputValue(form, '_wpnonce');
};

/** Where the page's WordPress itself lies, from the addresses of its files; null when it gives none. */
export function wordpressRoot(html: string, base: URL): URL | null {
	const match = /["'(]((?:https?:)?\/\/[^"'()\s]+?)\/wp-(?:includes|content)\//.exec(html);
	return match?.[1] !== undefined && URL.canParse(match[1], base.href) ? new URL(match[1], base) : null;
}
