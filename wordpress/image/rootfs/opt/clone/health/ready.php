<?php
/**
 * Whether the clone can answer: asked by the kubelet, on a port that nobody else reaches. Loads no WordPress.
 *
 * @package Clone_Image
 * @license GPL-2.0-or-later
 */

$dir   = (string) getenv( 'CLONE_DIR' );
$ready = is_file( '/tmp/clone-warm' ) && is_file( $dir . '/clone.json' ) && is_file( $dir . '/wordpress/wp-config.php' ) && is_file( $dir . '/wordpress/wp-content/db.php' );
http_response_code( $ready ? 200 : 503 );
header( 'Content-Type: text/plain' );
echo $ready ? "ready\n" : "not ready\n";
