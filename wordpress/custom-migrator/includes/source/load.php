<?php
/**
 * Loads the classes of the source role.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

require_once __DIR__ . '/interface-custom-migrator-database.php';
require_once __DIR__ . '/class-custom-migrator-mysql.php';
require_once __DIR__ . '/class-custom-migrator-mysql-column.php';
require_once __DIR__ . '/class-custom-migrator-mysql-keyset.php';
require_once __DIR__ . '/class-custom-migrator-mysql-digest.php';
require_once __DIR__ . '/class-custom-migrator-mysql-rows.php';
require_once __DIR__ . '/class-custom-migrator-sqlite.php';
require_once __DIR__ . '/class-custom-migrator-schema.php';
require_once __DIR__ . '/class-custom-migrator-tables.php';
require_once __DIR__ . '/class-custom-migrator-row-writer.php';
require_once __DIR__ . '/class-custom-migrator-rows.php';
require_once __DIR__ . '/class-custom-migrator-roots.php';
require_once __DIR__ . '/class-custom-migrator-file-list.php';
require_once __DIR__ . '/class-custom-migrator-file-reader.php';
require_once __DIR__ . '/class-custom-migrator-preflight.php';
require_once __DIR__ . '/class-custom-migrator-batch.php';
require_once __DIR__ . '/class-custom-migrator-source-verbs.php';
