<?php
/**
 * The database drop-in of a clone: SQLite, by the integration that every clone shares. A clone on MySQL needs none, once its
 * site is in place: WordPress's own wpdb goes on from here.
 *
 * @package Clone_Image
 * @license GPL-2.0-or-later
 */

if ( defined( 'CLONE_ENGINE' ) && 'mysql' === CLONE_ENGINE ) {
	return;
}

define( 'DB_ENGINE', 'sqlite' );

require_once CLONE_DIR . '/system/sqlite-database-integration/wp-includes/sqlite/db.php';
