<?php
/**
 * Rows and files, at the same time.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Builds the lanes from what has landed so far, and runs them.
 */
class Custom_Migrator_Transfer {

	/** How often the source's files are listed again when some changed while they were read. */
	const LISTINGS_MAX = 2;

	/** @var Custom_Migrator_Slot */
	private $slot;

	/** @var Custom_Migrator_Import_State */
	private $state;

	/** @var Custom_Migrator_Staging_Database */
	private $database;

	/** @var Custom_Migrator_File_Plan */
	private $plan;

	/** @var array The import's request. */
	private $request;

	public function __construct( Custom_Migrator_Slot $slot, Custom_Migrator_Import_State $state, Custom_Migrator_Staging_Database $database, Custom_Migrator_File_Plan $plan, array $request ) {
		$this->slot     = $slot;
		$this->state    = $state;
		$this->database = $database;
		$this->plan     = $plan;
		$this->request  = $request;
	}

	/**
	 * @return float|null Null when all is here; else seconds until there is something to do.
	 */
	public function run( Custom_Migrator_Pump $pump, float $until ): ?float {
		$pump->on_tick( array( $this, 'report' ) );
		try {
			$wait = $pump->run( $this->lanes(), $until );
		} finally {
			$pump->on_tick( null );
		}
		if ( null !== $wait ) {
			return $wait;
		}
		if ( 0 === $this->plan->total( Custom_Migrator_File_Plan::CHANGED )['files'] ) {
			return null;
		}
		$listings = (int) $this->state->mark( 'listings' );
		if ( $listings < self::LISTINGS_MAX ) {
			$this->state->set_mark( 'listings', $listings + 1 );
			$this->plan->list_again();
			return 0.0;
		}
		$this->give_changed_up();
		return null;
	}

	/** Writes how far things are, and stops an import that grows beyond its limit. */
	public function report(): void {
		$preflight = $this->state->mark( 'preflight' );
		$all       = $this->plan->total( Custom_Migrator_File_Plan::WANTED, Custom_Migrator_File_Plan::STAGED, Custom_Migrator_File_Plan::SAME, Custom_Migrator_File_Plan::CHANGED );
		$limit     = isset( $this->request['limits']['max_bytes'] ) ? (int) $this->request['limits']['max_bytes'] : 0;
		if ( $limit > 0 && $all['bytes'] + (int) $preflight['db_bytes'] > $limit ) {
			throw Custom_Migrator_Import_Error::permanent( 'site_too_large', sprintf( 'The site is larger than the %d MiB that a clone may have.', $limit >> 20 ) );
		}
		$rows  = 0;
		$total = 0;
		foreach ( $this->database->all_progress() as $table ) {
			$rows  += min( $table['rows'], (int) $table['info']['rows'] );
			$total += (int) $table['info']['rows'];
		}
		$to_come   = $this->plan->bytes_to_come();
		$row_share = $total > 0 ? $rows / $total : 1.0;
		$listed    = $this->plan->root( 'content' )['listed'] && $this->plan->root( 'core' )['listed'];
		$byte_part = $all['bytes'] > 0 && $listed ? 1.0 - $to_come / $all['bytes'] : 0.0;
		$this->state->set( 'progress', 5 + (int) ( 80 * ( 0.4 * $row_share + 0.6 * $byte_part ) ) );
		$this->state->set( 'message', sprintf( 'Copying: %d of %d rows, %.1f MB of files to come', $rows, $total, $to_come / 1e6 ) );
		$this->state->set_mark( 'deaths', 0 );
		$this->state->save();
	}

	/** @return Custom_Migrator_Lane[] */
	private function lanes(): array {
		$content = new Custom_Migrator_Jailed_Writer( $this->slot->staged_content() );
		$writers = array(
			'content' => $content,
			'core'    => new Custom_Migrator_Jailed_Writer( $this->slot->staged_core() ),
			'uploads' => $content,
		);
		$local   = new Custom_Migrator_Local_Files( $this->slot );
		$index   = array();
		foreach ( $this->roots() as $root ) {
			$index[ $root ] = new Custom_Migrator_Index_Lane( $root, $this->plan, $local, $writers[ $root ], $this->state );
		}
		// A source takes longest to list its core: by then there is something to land here.
		$core = $index['core'];
		unset( $index['core'] );
		$lanes    = array_values( $index );
		$rewriter = $this->rewriter();
		$make     = function ( string $name ) use ( $rewriter ): Custom_Migrator_Table_Writer {
			return $this->database->writer( $name, $rewriter );
		};
		$gzip     = ! preg_match( '#^https?://(127\.|localhost|\[::1\])#', $this->request['source']['agent_url'] );
		foreach ( $this->database->all_progress() as $table ) {
			if ( 1 !== $table['landed'] ) {
				$lanes[] = new Custom_Migrator_Rows_Lane( $this->database, $table, $make, $this->slot->chunks(), $gzip );
			}
		}
		$lanes[] = $core;
		$lanes[] = new Custom_Migrator_Read_Lane( $this->plan, $writers, $this->state );
		return $lanes;
	}

	/** @return string[] */
	private function roots(): array {
		$preflight = $this->state->mark( 'preflight' );
		return empty( $preflight['uploads_in_content'] ) ? array( 'content', 'core', 'uploads' ) : array( 'content', 'core' );
	}

	/**
	 * The site's addresses become the clone's: siteurl and home, and where wp-content and uploads lie when that is
	 * elsewhere on the same host. Another host (a CDN) stays.
	 */
	private function rewriter(): Custom_Migrator_Rewriter {
		$preflight = $this->state->mark( 'preflight' );
		$target    = $this->request['target']['url'];
		$site      = rtrim( $preflight['site_url'], '/' );
		$home      = rtrim( $preflight['home_url'], '/' );
		$pairs     = array( $home => $target );
		$hosts     = array( parse_url( $site, PHP_URL_HOST ), parse_url( $home, PHP_URL_HOST ) );
		$elsewhere = array(
			'content_url' => '/wp-content',
			'uploads_url' => '/wp-content/uploads',
		);
		foreach ( $elsewhere as $name => $path ) {
			$from = isset( $preflight[ $name ] ) && is_string( $preflight[ $name ] ) ? rtrim( $preflight[ $name ], '/' ) : '';
			if ( '' !== $from && $from !== $site . $path && in_array( parse_url( $from, PHP_URL_HOST ), $hosts, true ) ) {
				$pairs[ $from ] = $target . $path;
			}
		}
		try {
			return new Custom_Migrator_Rewriter( $site, $target, array( 'pairs' => $pairs ) );
		} catch ( InvalidArgumentException $error ) {
			throw Custom_Migrator_Import_Error::permanent( 'bad_site_url', 'The source\'s address (' . $site . ') is not one that can be rewritten.', $error );
		}
	}

	private function give_changed_up(): void {
		$writers = array(
			'core'    => new Custom_Migrator_Jailed_Writer( $this->slot->staged_core() ),
			'content' => new Custom_Migrator_Jailed_Writer( $this->slot->staged_content() ),
		);
		foreach ( $this->plan->each( Custom_Migrator_File_Plan::CHANGED ) as $file ) {
			$writers[ 'core' === $file['root'] ? 'core' : 'content' ]->remove( Custom_Migrator_File_Rules::target( $file['root'], $file['path'] ) );
			$this->plan->set_state( $file['id'], Custom_Migrator_File_Plan::MISSED );
			$this->state->add(
				'differences',
				array(
					'path'   => $file['root'] . '/' . $file['path'],
					'reason' => 'missing: it changed on the source whenever it was read',
				)
			);
		}
	}
}
