import { normalizeSourceUrl } from '../../core/api/source-url.ts';
import { PermanentError, ProductError } from '../../core/errors.ts';
import type { Clock, Site, SourceConnection, SourceCredentials } from '../../core/ports.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import type { MigratorClient } from './migrator-client.ts';
import { type Discovery, discover, lookAtHome } from './site/discovery.ts';
import { type LoginResult, logIn } from './site/log-in.ts';
import { PluginAdmin } from './site/plugin-admin.ts';
import { buildPluginZip, MARKER_TEXT, PLUGIN_FOLDER, type PluginZip, UPLOADED_MARKER } from './site/plugin-zip.ts';
import {
	agentUrls,
	basicAuthorization,
	type JobKey,
	looksLikeApplicationPassword,
	probeAgent,
	register,
	restNonce,
} from './site/registration.ts';
import { SiteSession } from './site/site-session.ts';
import { siteError } from './site-errors.ts';

export interface WordPressSiteOptions {
	readonly http: GuardedFetch;
	readonly client: MigratorClient;
	readonly clock: Clock;
	/** Folder of the plugin's source, `wordpress/custom-migrator`. */
	readonly pluginFolder: string;
}

type ConnectRequest = Parameters<Site['connect']>[0];

/**
 * Reaches a WordPress from outside: by an application password where the plugin is active, else by logging in to
 * wp-admin as a person would.
 *
 * Life cycle of a connection: discover (REST index) ∥ log in → upload page → upload → activate → register → hello.
 * What a copy of the plugin is, ours or the owner's, is told by a marker file in the zip, so an interrupted connect
 * is recognised by the next one. An inactive copy counts as left over, and is replaced and later taken away.
 *
 * Requests: 8 to a site without the plugin (one of them logs out again), 5 with it, 3 with an application password.
 */
export function createWordPressSite(options: WordPressSiteOptions): Site {
	const { http, client, clock } = options;
	let zip: Promise<PluginZip> | undefined;
	const pluginZip = (): Promise<PluginZip> => {
		zip ??= buildPluginZip(options.pluginFolder);
		return zip;
	};

	/** Logs in, finding the login form where it is not beside the home page. */
	async function logInSomewhere(
		session: SiteSession,
		site: Discovery,
		credentials: SourceCredentials,
		first?: LoginResult,
	): Promise<Discovery> {
		const result = first ?? (await logIn(session, site.wordpress, credentials, clock));
		if (result.outcome === 'in') return { ...site, wordpress: result.wordpress };
		const home = await lookAtHome(session, site.home);
		if (home.wordpress !== null && home.wordpress.href !== site.wordpress.href) {
			const again = await logIn(session, home.wordpress, credentials, clock);
			if (again.outcome === 'in') return { ...site, wordpress: again.wordpress };
		}
		throw siteError(home.isWordPress || site.rest !== 'absent' ? 'login_hidden' : 'not_wordpress');
	}

	/** Discovers and logs in: at once where the password cannot be read on the way there, else after looking for https. */
	async function enter(session: SiteSession, siteUrl: string, credentials: SourceCredentials): Promise<Discovery> {
		const base = new URL(`${siteUrl}/`);
		if (base.protocol === 'http:' && !isLoopback(base)) return logInSomewhere(session, await discover(session, siteUrl), credentials);
		const [found, login] = await Promise.allSettled([discover(session, siteUrl), logIn(session, base, credentials, clock)]);
		if (login.status === 'rejected') throw login.reason;
		if (found.status === 'rejected') {
			if (login.value.outcome !== 'in') throw found.reason;
			const { wordpress } = login.value;
			return { home: base, wordpress, rest: 'absent', agentActive: null };
		}
		// Where WordPress lies elsewhere, the first attempt met no form and is worth nothing.
		const elsewhere = login.value.outcome === 'no_form' && found.value.wordpress.href !== base.href;
		return logInSomewhere(session, found.value, credentials, elsewhere ? undefined : login.value);
	}

	async function connected(site: Discovery, request: ConnectRequest, uploaded: boolean): Promise<SourceConnection> {
		const agent_url = await probeAgent(client, site, { key_id: request.job_id, agent_key: request.agent_key });
		return { agent_url, site_url: site.home.href.replace(/\/$/, ''), uploaded };
	}

	/** @returns null when the password is not an application password of this site. */
	async function connectByApplicationPassword(
		session: SiteSession,
		siteUrl: string,
		request: ConnectRequest,
	): Promise<SourceConnection | null> {
		const site = await discover(session, siteUrl);
		if (site.rest !== 'open') return null;
		const authorization = basicAuthorization(request.credentials.username, request.credentials.password);
		if (site.agentActive) {
			const result = await register(session, site, jobKey(request, false), { authorization }, clock);
			if (result === 'registered') return connected(site, request, false);
			if (result === 'not_authenticated') return null;
		}
		const me = new URL(site.home);
		me.search = '?rest_route=/wp/v2/users/me&context=edit&_fields=id';
		const answer = await session.request({ url: me, headers: { accept: 'application/json', authorization } });
		if (answer.status === 200) throw siteError('agent_required');
		return null;
	}

	async function uploadAgent(session: SiteSession, site: Discovery, request: ConnectRequest): Promise<SourceConnection> {
		const admin = new PluginAdmin(session, site.wordpress, clock);
		const page = await admin.uploadPage();
		const nonce = page.restNonce ?? restNonce(session, site.wordpress, clock);
		// Awaited below; until then a failure of it must not count as unhandled.
		Promise.resolve(nonce).catch(() => {});
		const activate = await admin.upload(await pluginZip(), page.nonce);
		try {
			if (activate !== null) await admin.activate(activate);
			const result = await register(session, site, jobKey(request, true), { nonce: await nonce }, clock);
			if (result === 'not_authenticated') throw siteError('session_lost');
			if (result === 'no_agent') throw siteError('agent_missing');
			// The login's session would stay on the site for two days. Failing to end it harms nobody.
			const loggedOut = page.logout === null ? null : session.request({ url: page.logout });
			const [connection] = await Promise.allSettled([connected(site, request, true), loggedOut]);
			if (connection.status === 'rejected') throw connection.reason;
			return connection.value;
		} catch (error) {
			if (error instanceof PermanentError) await admin.remove();
			throw error;
		}
	}

	async function connect(request: ConnectRequest): Promise<SourceConnection> {
		const siteUrl = normalizeSourceUrl(request.url);
		if (looksLikeApplicationPassword(request.credentials.password)) {
			const connection = await connectByApplicationPassword(new SiteSession(http), siteUrl, request);
			if (connection !== null) return connection;
		}
		const session = new SiteSession(http);
		const site = await enter(session, siteUrl, request.credentials);
		if (site.agentActive !== false) {
			const [nonce, marker] = await Promise.all([restNonce(session, site.wordpress, clock), lookForMarker(session, site.wordpress)]);
			const ours = marker === 'ours';
			const result = await register(session, site, jobKey(request, ours), { nonce }, clock);
			if (result === 'registered') return connected(site, request, ours);
			if (result === 'not_authenticated') throw siteError('session_lost');
		}
		return uploadAgent(session, site, request);
	}

	/** Asks the agent itself to go. @returns false when no agent there knows the key. */
	async function removeBySignature(agentUrl: string, job_id: string, agent_key: string): Promise<'removed' | 'unknown_key' | 'no_agent'> {
		try {
			await client.call({ agent_url: agentUrl, key_id: job_id, agent_key }, 'remove', {});
			return 'removed';
		} catch (error) {
			if (error instanceof ProductError && error.code === 'agent_unauthorized') return 'unknown_key';
			if (error instanceof ProductError && error.code === 'agent_missing') return 'no_agent';
			throw error;
		}
	}

	/**
	 * Takes away a copy of ours that does not know the job's key: an inactive one is deleted, an active one is given the
	 * key so that it can go (it stays if it is the owner's, or if another job still needs it).
	 */
	async function removeByLogin(siteUrl: string, credentials: SourceCredentials, job_id: string, agent_key: string): Promise<void> {
		const session = new SiteSession(http);
		const site = await enter(session, siteUrl, credentials);
		const admin = new PluginAdmin(session, site.wordpress, clock);
		const plugin = await admin.find();
		if (!plugin.present) return;
		if (!plugin.active) {
			await admin.remove();
			return;
		}
		const [nonce, marker] = await Promise.all([restNonce(session, site.wordpress, clock), lookForMarker(session, site.wordpress)]);
		const key = { job_id, key: agent_key, expires_at: Math.floor(clock.now() / 1000) + 300, uploaded: marker === 'ours' };
		if ((await register(session, site, key, { nonce }, clock)) !== 'registered') throw siteError('removal_failed');
		const agentUrl = await probeAgent(client, site, { key_id: job_id, agent_key });
		await removeBySignature(agentUrl, job_id, agent_key);
	}

	async function disconnect(request: Parameters<Site['disconnect']>[0]): Promise<void> {
		const { connection, credentials, job_id, agent_key } = request;
		const byLogin = credentials !== null && connection.uploaded && !looksLikeApplicationPassword(credentials.password);
		try {
			const result = await removeBySignature(connection.agent_url, job_id, agent_key);
			if (result === 'removed' || !byLogin) return;
			const wordpress = new URL(connection.agent_url.includes('/wp-admin/') ? '..' : '.', connection.agent_url);
			if ((await lookForMarker(new SiteSession(http), wordpress)) === 'none') return;
		} catch (error) {
			if (!(error instanceof ProductError) || !byLogin) throw error;
		}
		await removeByLogin(connection.site_url, credentials, job_id, agent_key);
	}

	async function cleanUp(request: Parameters<Site['cleanUp']>[0]): Promise<void> {
		const siteUrl = normalizeSourceUrl(request.url);
		const session = new SiteSession(http);
		try {
			const site = await discover(session, siteUrl);
			if (site.agentActive !== false) {
				const [agentUrl = ''] = agentUrls(site);
				const result = await removeBySignature(agentUrl, request.job_id, request.agent_key);
				if (result === 'removed') return;
			}
			// Logging in again with a password that was refused may lock the account: only when something may be there.
			if ((await lookForMarker(session, site.wordpress)) === 'none') return;
			await removeByLogin(siteUrl, request.credentials, request.job_id, request.agent_key);
		} catch (error) {
			// Who cannot log in (any more) has left nothing there by logging in, or can do nothing about it.
			if (!(error instanceof PermanentError)) throw error;
		}
	}

	return { connect, disconnect, cleanUp };
}

function jobKey(request: ConnectRequest, uploaded: boolean): JobKey {
	return { job_id: request.job_id, key: request.agent_key, expires_at: Math.ceil(request.expires_at / 1000), uploaded };
}

/**
 * Whether the copy of the plugin on the site is one that we uploaded: asks for a file that is only in our zip. A site may
 * refuse to tell (`unknown`).
 * @param wordpress where wp-content lies, with a final slash
 */
async function lookForMarker(session: SiteSession, wordpress: URL): Promise<'ours' | 'none' | 'unknown'> {
	const { status, text } = await session.request({ url: new URL(`wp-content/plugins/${PLUGIN_FOLDER}/${UPLOADED_MARKER}`, wordpress) });
	if (status === 200) return text === MARKER_TEXT ? 'ours' : 'none';
	return status === 404 || status === 410 ? 'none' : 'unknown';
}

/** Nothing between us and it could read a password. */
function isLoopback(url: URL): boolean {
	return url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(url.hostname);
}
