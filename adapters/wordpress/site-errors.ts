import { PermanentError, type ProductError, TransientError } from '../../core/errors.ts';

/** What can be wrong with a site that we reach from outside. docs/errors.md is generated from this. */
export interface SiteErrorEntry {
	/** What happened, one sentence. */
	readonly message: string;
	/** What the caller can do about it, one or two sentences. */
	readonly remedy: string;
	/** Whether another attempt may succeed with nothing changed. */
	readonly transient: boolean;
}

const lasting = (message: string, remedy: string): SiteErrorEntry => ({ message, remedy, transient: false });
const passing = (message: string, remedy: string): SiteErrorEntry => ({ message, remedy, transient: true });

export const SITE_ERRORS = {
	// The way there.
	source_not_allowed: lasting('The address is not one on the public internet.', 'Give the public address of the site.'),
	redirect_refused: lasting(
		'The site redirects to another site, or too often.',
		'Give the address that a browser shows once the site has loaded.',
	),
	tls_invalid: lasting("The site's certificate is not valid.", 'Renew it, or give the address that the certificate is for.'),
	answer_too_large: lasting('The site sent an answer larger than its limit.', 'Check that the address is that of a WordPress site.'),
	host_not_found: passing('The name of the site does not resolve.', 'Check its spelling and its DNS records.'),
	source_timeout: passing('The site did not answer in time.', 'Try again when it is less busy.'),
	source_unavailable: passing(
		'The site could not be reached, or answers with an error.',
		'See to it that it works in a browser, then try again.',
	),
	aborted: passing('The request was given up before the site answered.', 'Try again.'),
	rate_limited: passing('The site limits how often it may be asked.', 'Let this service through its firewall, or try again later.'),
	request_blocked: passing('A firewall of the site refused the request.', 'Let this service through its firewall.'),
	html_answer: passing(
		'The site answers with a web page where data was asked for.',
		'A plugin, a cache or a firewall is in the way: let requests to admin-ajax.php and the REST API through.',
	),
	bad_answer: passing(
		'The site sent an answer that is broken or was altered on the way.',
		'Look for a proxy or plugin that changes answers, then try again.',
	),

	// Logging in.
	not_wordpress: lasting('There is no WordPress at this address.', "Give the address of the site's home page."),
	login_refused: lasting('WordPress refused the user name and password.', 'Try them in a browser, and give the ones that work.'),
	login_hidden: lasting(
		'The login page is not where WordPress has it; a plugin hides it.',
		'Show it again for the time of the job, or install the plugin custom-migrator and give an application password.',
	),
	login_challenged: lasting(
		'The login asks for more than a password: a captcha, a second factor, or a check by a protection service.',
		'Install the plugin custom-migrator and give an application password, or pause the check for the time of the job.',
	),
	http_auth_required: lasting(
		'The web server asks for a password before WordPress does.',
		'Take that protection away for the time of the job.',
	),
	session_lost: lasting(
		'WordPress accepted the password and then forgot the login.',
		"Give the address that is set as WordPress address in the site's general settings.",
	),
	not_administrator: lasting('The account is not an administrator.', 'Give the account of an administrator.'),

	// What the site is.
	multisite_unsupported: lasting('The site is part of a WordPress network (multisite).', 'Networks cannot be copied yet.'),
	php_too_old: lasting("The site's PHP is too old for the plugin.", 'Update PHP to 7.4 or later.'),
	wordpress_too_old: lasting("The site's WordPress is too old for the plugin.", 'Update WordPress.'),
	database_upgrade_needed: lasting(
		'WordPress waits for its database to be updated.',
		'Log in to wp-admin once and let it update the database.',
	),

	// Bringing the plugin there.
	agent_required: lasting(
		'An application password cannot upload a plugin, and custom-migrator is not active on the site.',
		"Install and activate custom-migrator, or give the account's own password.",
	),
	agent_outdated: lasting(
		'The plugin custom-migrator on the site speaks another version of the protocol.',
		'Update the plugin there, or delete it.',
	),
	file_changes_disabled: lasting(
		'The site does not let administrators install plugins (DISALLOW_FILE_MODS, or the hoster).',
		'Allow it for the time of the job, or have custom-migrator installed by the hoster.',
	),
	filesystem_credentials_required: lasting(
		'WordPress cannot write its own files and asks for FTP credentials.',
		'Give the web server the right to write wp-content, or install custom-migrator by hand.',
	),
	upload_limit_too_small: lasting(
		"The site's upload limit is smaller than the plugin.",
		'Raise upload_max_filesize, post_max_size and the limit of the web server, or install custom-migrator by hand.',
	),
	upload_failed: lasting(
		'WordPress could not install the plugin.',
		'Check free disk space and permissions of wp-content, or install custom-migrator by hand.',
	),
	activation_failed: lasting(
		'WordPress could not activate the plugin.',
		"Look into the site's error log, or activate custom-migrator by hand.",
	),
	removal_failed: passing('The plugin custom-migrator could not be deleted from the site.', 'Delete it in wp-admin.'),

	// Speaking with it.
	agent_unauthorized: lasting("The agent on the site does not know this job's key (any more).", 'Start the job again.'),
	agent_missing: passing(
		'The agent does not answer on the site.',
		'Check that the plugin custom-migrator was not switched off or deleted.',
	),
	clock_skew: lasting("The site's clock is wrong.", 'Set it right, then start the job again.'),
	bad_agent_key: lasting('The key for the agent is not the base64 of 32 bytes.', 'This is a fault of the service; report it.'),
} as const satisfies Readonly<Record<string, SiteErrorEntry>>;

export type SiteErrorCode = keyof typeof SITE_ERRORS;

/** @param detail a few words that are put in brackets; never anything the caller's secrets could be in. */
export function siteError(
	code: SiteErrorCode,
	options: { cause?: unknown; retryAfterSeconds?: number; detail?: string } = {},
): ProductError {
	const { message, remedy, transient }: SiteErrorEntry = SITE_ERRORS[code];
	const text = `${options.detail === undefined ? message : message.replace(/\.$/, ` (${options.detail}).`)} ${remedy}`;
	return transient ? new TransientError(code, text, options) : new PermanentError(code, text, options);
}
