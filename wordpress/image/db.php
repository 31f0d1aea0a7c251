<?php
/**
 * The database drop-in of a clone: SQLite, by the integration that every clone shares.
 *
 * @package Clone_Image
 * @license GPL-2.0-or-later
 */

define( 'DB_ENGINE', 'sqlite' );

require_once CLONE_DIR . '/system/sqlite-database-integration/wp-includes/sqlite/db.php';
