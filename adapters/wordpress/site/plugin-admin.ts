import { randomBytes } from 'node:crypto';
import type { ProductError } from '../../../core/errors.ts';
import type { Clock } from '../../../core/ports.ts';
import { foreignAnswerError } from '../foreign-answer.ts';
import { siteError } from '../site-errors.ts';
import { PLUGIN_FILE, PLUGIN_FOLDER, type PluginZip } from './plugin-zip.ts';
import type { Page, SiteSession } from './site-session.ts';
import * as pages from './wp-pages.ts';

/**
 * wp-admin's plugin screens, used as a person would: upload, replace, activate, switch off, delete. Needs a session
 * that is logged in. Nothing here goes by translated text but the last guesses at why an upload failed.
 */
export class PluginAdmin {
	readonly #session: SiteSession;
	readonly #admin: URL;
	readonly #clock: Clock;

	/** @param wordpress where wp-admin lies, with a final slash */
	constructor(session: SiteSession, wordpress: URL, clock: Clock) {
		this.#session = session;
		this.#admin = new URL('wp-admin/', wordpress);
		this.#clock = clock;
	}

	/**
	 * The page with the upload form.
	 * @throws PermanentError `not_administrator`, `file_changes_disabled`, `multisite_unsupported`, `session_lost`,
	 * `database_upgrade_needed`
	 */
	async uploadPage(): Promise<{ nonce: string; restNonce: string | null; logout: URL | null }> {
		const page = await this.#get('plugin-install.php?tab=upload');
		if (pages.isWpDie(page.text) && page.status < 500) throw await this.#whyForbidden();
		this.#mustBePage(page);
		const nonce = pages.uploadNonce(page.text);
		if (nonce === null) throw siteError(pages.isMultisiteAdmin(page.text) ? 'multisite_unsupported' : 'file_changes_disabled');
		const logout = pages.logoutLink(page.text);
		return { nonce, restNonce: pages.restNonceIn(page.text), logout: logout === null ? null : this.#link(logout) };
	}

	/**
	 * Uploads the zip; a copy that is there already is replaced.
	 * @returns the link that activates it, null when it is active.
	 * @throws PermanentError `upload_limit_too_small`, `filesystem_credentials_required`, `php_too_old`,
	 * `wordpress_too_old`, `upload_failed`
	 */
	async upload(zip: PluginZip, nonce: string): Promise<URL | null> {
		const { body, contentType } = multipart(
			{ _wpnonce: nonce, 'install-plugin-submit': 'Install Now' },
			'pluginzip',
			`${PLUGIN_FOLDER}.zip`,
			zip.bytes,
		);
		const url = new URL('update.php?action=upload-plugin', this.#admin);
		const page = await this.#session.request({ url, method: 'POST', headers: { 'content-type': contentType }, body });
		if (!pages.isAlreadyInstalled(page.text)) return this.#installed(page, zip);
		const overwrite = pages.overwriteLink(page.text);
		if (overwrite !== null) {
			const replaced = await this.#session.request({ url: this.#link(overwrite) });
			const activate = pages.activateLink(replaced.text, PLUGIN_FILE);
			// Without the link it is active, or replacing failed; the latter shows when the agent does not answer.
			return activate === null && replaced.status === 200 && !pages.asksForFtp(replaced.text) ? null : this.#installed(replaced, zip);
		}
		// The uploaded file waits in the media library until someone decides.
		const cancel = pages.cancelOverwriteLink(page.text);
		if (cancel !== null) await this.#session.request({ url: this.#link(cancel) });
		throw uploadProblem(page, zip, this.#clock.now());
	}

	/** @throws PermanentError `activation_failed`, `php_too_old` */
	async activate(link: URL): Promise<void> {
		const page = await this.#session.request({ url: link });
		this.#mustNotBeSentAway(page);
		// WordPress calls output during activation an error, yet the plugin is active then.
		if (page.location?.searchParams.has('activate') || page.location?.searchParams.has('charsout')) return;
		if (page.location === null && page.status >= 500 && !pages.isWpDie(page.text))
			throw siteError('activation_failed', { detail: `status ${page.status}` });
		throw siteError(page.location === null && /PHP[^<]*\d+\.\d+/.test(page.text) ? 'php_too_old' : 'activation_failed');
	}

	/**
	 * Switches the plugin off if it is active, and deletes it. No error when it is not there.
	 * @throws TransientError `removal_failed`
	 */
	async remove(): Promise<'removed' | 'absent'> {
		const list = await this.#get('plugins.php');
		this.#mustBePage(list);
		if (!pages.listsPlugin(list.text, PLUGIN_FILE)) return 'absent';
		const deactivate = pages.deactivateLink(list.text, PLUGIN_FILE);
		if (deactivate !== null) await this.#session.request({ url: this.#link(deactivate) });
		const nonce = pages.bulkPluginsNonce(list.text);
		if (nonce === null) throw siteError('removal_failed');
		const answer = await this.#session.request({
			url: new URL('plugins.php', this.#admin),
			method: 'POST',
			headers: { 'content-type': 'application/x-www-form-urlencoded' },
			body: new URLSearchParams([
				['action', 'delete-selected'],
				['verify-delete', '1'],
				['checked[]', PLUGIN_FILE],
				['_wpnonce', nonce],
			]).toString(),
		});
		if (!answer.location?.searchParams.has('deleted')) throw siteError('removal_failed', { detail: `status ${answer.status}` });
		// The redirect comes whether or not the files went: the list is what counts. Going where it leads also makes
		// WordPress forget the result that it keeps for that page.
		const after = await this.#session.request({ url: this.#link(answer.location.href) });
		if (pages.listsPlugin(after.text, PLUGIN_FILE)) throw siteError('removal_failed');
		return 'removed';
	}

	/** Whether the plugin is in the list of plugins, and whether it is active. */
	async find(): Promise<{ present: boolean; active: boolean }> {
		const list = await this.#get('plugins.php');
		this.#mustBePage(list);
		return { present: pages.listsPlugin(list.text, PLUGIN_FILE), active: pages.deactivateLink(list.text, PLUGIN_FILE) !== null };
	}

	#get(path: string): Promise<Page> {
		return this.#session.request({ url: new URL(path, this.#admin) });
	}

	/** A link of an admin page, on the admin's own host whatever the site says that is. */
	#link(link: string): URL {
		const url = new URL(link, this.#admin);
		return new URL(url.pathname + url.search, this.#admin);
	}

	#installed(page: Page, zip: PluginZip): URL {
		this.#mustNotBeSentAway(page);
		const activate = pages.activateLink(page.text, PLUGIN_FILE);
		if (activate === null) throw uploadProblem(page, zip, this.#clock.now());
		return this.#link(activate);
	}

	#mustNotBeSentAway(page: Page): void {
		const path = page.location?.pathname ?? '';
		if (path.endsWith('/wp-login.php')) throw siteError('session_lost');
		if (path.endsWith('/wp-admin/upgrade.php')) throw siteError('database_upgrade_needed');
		if (path.includes('/wp-admin/network/')) throw siteError('multisite_unsupported');
	}

	#mustBePage(page: Page): void {
		this.#mustNotBeSentAway(page);
		if (page.location !== null) throw siteError('not_administrator');
		if (page.status !== 200) throw foreignAnswerError(page.response, page.text, this.#clock.now());
	}

	/** The upload page is forbidden: to this account, or to everyone on this site? The dashboard tells. */
	async #whyForbidden(): Promise<ProductError> {
		const dashboard = await this.#get('');
		this.#mustNotBeSentAway(dashboard);
		if (pages.isMultisiteAdmin(dashboard.text)) return siteError('multisite_unsupported');
		return siteError(dashboard.status === 200 && pages.showsSettingsMenu(dashboard.text) ? 'file_changes_disabled' : 'not_administrator');
	}
}

function uploadProblem(page: Page, zip: PluginZip, now: number): ProductError {
	const { status, text, response } = page;
	if (pages.asksForFtp(text)) return siteError('filesystem_credentials_required');
	if (status === 413 || text.includes('upload_max_filesize') || text.includes('post_max_size')) return siteError('upload_limit_too_small');
	// Over post_max_size PHP drops the fields too, so WordPress misses its nonce, which was made a second ago.
	if (status === 403 && pages.isWpDie(text)) return siteError('upload_limit_too_small');
	const words = text.replace(/<[^>]*>/g, ' ');
	if (mentions(words, 'PHP', zip.requiresPhp)) return siteError('php_too_old', { detail: `${zip.requiresPhp} is needed` });
	if (mentions(words, 'WordPress', zip.requiresWordPress))
		return siteError('wordpress_too_old', { detail: `${zip.requiresWordPress} is needed` });
	if (status !== 200 && !pages.isWpDie(text)) return foreignAnswerError(response, text, now);
	return siteError('upload_failed');
}

/** "The PHP version on your server is 7.2.34, however the uploaded plugin requires 7.4." in any language. */
function mentions(words: string, what: string, required: string | null): boolean {
	return required !== null && new RegExp(`${what}[^.]{0,120}\\d+\\.\\d+[^\\n]{0,160}\\b${required.replaceAll('.', '\\.')}\\b`).test(words);
}

function multipart(
	fields: Readonly<Record<string, string>>,
	fileField: string,
	fileName: string,
	file: Uint8Array,
): { body: Uint8Array; contentType: string } {
	const boundary = `----form${randomBytes(16).toString('hex')}`;
	const parts = Object.entries(fields).map(
		([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
	);
	parts.push(
		`--${boundary}\r\nContent-Disposition: form-data; name="${fileField}"; filename="${fileName}"\r\nContent-Type: application/zip\r\n\r\n`,
	);
	return {
		body: Buffer.concat([Buffer.from(parts.join('')), file, Buffer.from(`\r\n--${boundary}--\r\n`)]),
		contentType: `multipart/form-data; boundary=${boundary}`,
	};
}
