<?php
/**
 * Plugin Name:       Clone Guard
 * Description:       Keeps a temporary copy of a site harmless: no search engines, mail, scheduled jobs or calls to other services leave it, and it closes when its time is up.
 * Version:           0.1.0
 * Requires at least: 5.0
 * Requires PHP:      7.4
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 *
 * @package Clone_Guard
 *
 * Lifecycle: loaded by mu-plugins/0-clone-guard.php before any plugin of the site. In this order: a signed call is
 * answered by the agent and ends there; an expired clone answers 410 to everything else; then what must be in place
 * before a plugin runs (mail, outgoing requests, cron), and last what waits for WordPress (the login gate, the banner).
 *
 * What PHP cannot stop, the host has to: `mail()` and sockets that a plugin opens by itself (the network policy), and
 * static files, uploads among them, which the web server sends without asking PHP.
 */

if ( ! defined( 'ABSPATH' ) || ! defined( 'CLONE_DIR' ) || class_exists( 'Clone_Guard', false ) ) {
	return;
}

require_once __DIR__ . '/includes/class-clone-guard-config.php';
require_once __DIR__ . '/includes/class-clone-guard-page.php';
require_once __DIR__ . '/includes/class-clone-guard-outbox.php';
require_once __DIR__ . '/includes/class-clone-guard-http.php';
require_once __DIR__ . '/includes/class-clone-guard-mail.php';
require_once __DIR__ . '/includes/class-clone-guard-cron.php';
require_once __DIR__ . '/includes/class-clone-guard-privacy.php';
require_once __DIR__ . '/includes/class-clone-guard-gate.php';
require_once __DIR__ . '/includes/class-clone-guard-login-link.php';
require_once __DIR__ . '/includes/class-clone-guard-banner.php';
require_once __DIR__ . '/includes/class-clone-guard.php';

Clone_Guard::boot();
