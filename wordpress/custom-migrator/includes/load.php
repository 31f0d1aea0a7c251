<?php
/**
 * Loads the plugin's classes, and nothing else: no side effect, no WordPress needed.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

require_once __DIR__ . '/class-custom-migrator-error.php';
require_once __DIR__ . '/class-custom-migrator-budget.php';
require_once __DIR__ . '/class-custom-migrator-payload.php';
require_once __DIR__ . '/class-custom-migrator-reply.php';
require_once __DIR__ . '/class-custom-migrator-request.php';
require_once __DIR__ . '/class-custom-migrator-frame.php';
require_once __DIR__ . '/class-custom-migrator-arguments.php';
require_once __DIR__ . '/class-custom-migrator-jobs.php';
require_once __DIR__ . '/class-custom-migrator-nonce-table.php';
require_once __DIR__ . '/class-custom-migrator-nonce-folder.php';
require_once __DIR__ . '/class-custom-migrator-registration.php';
require_once __DIR__ . '/class-custom-migrator-remover.php';
require_once __DIR__ . '/class-custom-migrator-agent.php';
require_once __DIR__ . '/source/load.php';
