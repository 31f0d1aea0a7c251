<?php
/**
 * Asks for one table's rows and lands them.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * While a chunk lands, the next one is on its way. A chunk that names large values waits until their slices, several in
 * flight, lie in files; only then do its rows land.
 *
 * `epoch` is raised whenever the table goes back to what has landed; answers of an earlier epoch are ignored.
 */
class Custom_Migrator_Rows_Lane implements Custom_Migrator_Lane {

	const SLICE          = 4194304;
	const RESTARTS_MAX   = 6;

	/** @var string */
	private $name;

	/** @var array */
	private $info;

	/** @var Custom_Migrator_Staging_Database */
	private $database;

	/** @var callable Makes the writer: landing is what needs it, not asking. */
	private $make_writer;

	/** @var Custom_Migrator_Table_Writer|null */
	private $writer = null;

	/** @var string */
	private $folder;

	/** @var bool */
	private $gzip;

	/** @var mixed Where to ask next. */
	private $cursor = null;

	/** @var bool Whether the last chunk has been asked for. */
	private $asked_all = false;

	/** @var bool Whether a `rows` request is out. */
	private $busy = false;

	/** @var int */
	private $epoch = 0;

	/** @var int */
	private $restarts = 0;

	/** @var array[] Chunks that wait to land: `{rows: array, cursor}`. */
	private $queue = array();

	/** @var array<string,array> Slices to ask for, by key. */
	private $slices = array();

	/** @var array<string,array> Slices asked for, not yet here. */
	private $slices_out = array();

	/** @var int */
	private $files = 0;

	/**
	 * @param Custom_Migrator_Staging_Database $database    Where to.
	 * @param array                            $progress    The table's progress.
	 * @param callable                         $make_writer Answers a Custom_Migrator_Table_Writer for a table's name.
	 * @param string                           $folder      For the files of large values.
	 * @param bool                             $gzip        Whether to ask for compressed rows.
	 */
	public function __construct( Custom_Migrator_Staging_Database $database, array $progress, callable $make_writer, string $folder, bool $gzip ) {
		$this->database    = $database;
		$this->name        = $progress['name'];
		$this->info        = $progress['info'];
		$this->make_writer = $make_writer;
		$this->folder      = $folder;
		$this->gzip        = $gzip;
		$this->resume( $progress );
	}

	public function next( int $max_bytes ): ?array {
		foreach ( $this->slices as $key => $slice ) {
			unset( $this->slices[ $key ] );
			$this->slices_out[ $key ] = $slice;
			return $slice;
		}
		if ( $this->busy || $this->asked_all || array() !== $this->queue ) {
			return null;
		}
		$this->busy = true;
		$args       = array(
			'table'     => $this->name,
			'max_bytes' => $max_bytes,
		);
		if ( null !== $this->cursor ) {
			$args['cursor'] = $this->cursor;
		}
		if ( $this->gzip ) {
			$args['gzip'] = true;
		}
		return array(
			'key'   => 'rows:' . $this->name . ':' . substr( hash( 'sha256', (string) json_encode( $this->cursor ) ), 0, 16 ),
			'verb'  => 'rows',
			'args'  => $args,
			'bytes' => min( $max_bytes, $this->info['bytes'] ),
			'epoch' => $this->epoch,
		);
	}

	public function again( array $request ): void {
		if ( $request['epoch'] !== $this->epoch ) {
			return;
		}
		if ( 'value' === $request['verb'] ) {
			unset( $this->slices_out[ $request['key'] ] );
			$this->slices[ $request['key'] ] = $request;
			return;
		}
		$this->busy = false;
	}

	public function advance( array $request, Custom_Migrator_Answer $answer ): void {
		if ( $request['epoch'] !== $this->epoch ) {
			return;
		}
		$data = $answer->data();
		if ( 'value' === $request['verb'] ) {
			$length = strlen( $answer->payload() );
			if ( ! isset( $data['total'] ) || $length > $request['args']['length'] || ( 0 === $length && $request['args']['length'] > 0 && $data['total'] === $request['total'] ) ) {
				throw Custom_Migrator_Import_Error::transient( 'bad_answer', 'The source sent a slice that was not asked for.' );
			}
			return;
		}
		if ( ! array_key_exists( 'cursor', $data ) ) {
			throw Custom_Migrator_Import_Error::transient( 'bad_answer', 'The source sent rows without saying where to go on.' );
		}
		$this->busy      = false;
		$this->cursor    = $data['cursor'];
		$this->asked_all = null === $data['cursor'];
	}

	public function land( array $request, Custom_Migrator_Answer $answer ): void {
		if ( $request['epoch'] !== $this->epoch ) {
			return;
		}
		if ( 'value' === $request['verb'] ) {
			$this->land_slice( $request, $answer );
		} else {
			$data          = $answer->data();
			$this->queue[] = array(
				'payload' => $answer->payload(),
				'cursor'  => $data['cursor'],
				'large'   => null,
			);
		}
		$this->land_queue();
	}

	private function land_queue(): void {
		while ( array() !== $this->queue ) {
			if ( null === $this->queue[0]['large'] ) {
				$this->queue[0]['large'] = $this->find_large( $this->queue[0]['payload'] );
			}
			if ( array() !== $this->slices || array() !== $this->slices_out ) {
				return;
			}
			$chunk = array_shift( $this->queue );
			if ( null === $this->writer ) {
				$this->writer = call_user_func( $this->make_writer, $this->name );
			}
			$landed = $this->writer->land( $this->rows( $chunk ), $chunk['cursor'] );
			foreach ( $chunk['large'] as $row ) {
				foreach ( $row as $path ) {
					unlink( $path );
				}
			}
			if ( ! $landed ) {
				$this->restart();
				return;
			}
		}
	}

	/**
	 * Plans the slices of a chunk's large values.
	 *
	 * @return array<int,array<int,string>> Row number and column number to file.
	 */
	private function find_large( string $payload ): array {
		$large = array();
		if ( false === strpos( $payload, 'L' ) ) {
			return $large;
		}
		foreach ( Custom_Migrator_Rows_Payload::rows( $payload, count( $this->info['columns'] ) ) as $r => $row ) {
			foreach ( $row as $c => $value ) {
				if ( is_int( $value ) ) {
					$large[ $r ][ $c ] = $this->plan_slices( $row, $c, $value );
				}
			}
		}
		return $large;
	}

	private function plan_slices( array $row, int $c, int $length ): string {
		$key   = array();
		$names = array_column( $this->info['columns'], 'name' );
		foreach ( (array) $this->info['key'] as $name ) {
			$at    = array_search( $name, $names, true );
			$value = false === $at ? null : $row[ $at ];
			if ( ! is_string( $value ) ) {
				throw Custom_Migrator_Import_Error::permanent( 'bad_answer', 'The source named a large value in ' . $this->name . ' without a key to fetch it by.' );
			}
			$key[] = 1 === preg_match( '//u', $value ) ? $value : array( 'b' => base64_encode( $value ) );
		}
		$path = $this->folder . '/value-' . substr( hash( 'sha256', $this->name ), 0, 12 ) . '-' . $this->epoch . '-' . ( $this->files++ );
		if ( false === file_put_contents( $path, '' ) ) {
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not write a large value; its disk may be full.' );
		}
		for ( $offset = 0; $offset < $length; $offset += self::SLICE ) {
			$this->add_slice( $key, $names[ $c ], $offset, min( self::SLICE, $length - $offset ), $length, $path );
		}
		return $path;
	}

	private function add_slice( array $key, string $column, int $offset, int $bytes, int $total, string $path ): void {
		$id = 'value:' . $this->name . ':' . substr( hash( 'sha256', (string) json_encode( array( $key, $column ) ) ), 0, 16 ) . ':' . $offset;

		$this->slices[ $id ] = array(
			'key'   => $id,
			'verb'  => 'value',
			'args'  => array(
				'table'  => $this->name,
				'key'    => $key,
				'column' => $column,
				'offset' => $offset,
				'length' => $bytes,
			),
			'total' => $total,
			'path'  => $path,
			'epoch' => $this->epoch,
		);
	}

	private function land_slice( array $request, Custom_Migrator_Answer $answer ): void {
		unset( $this->slices_out[ $request['key'] ] );
		if ( $answer->data()['total'] !== $request['total'] ) {
			// The value changed since its row was read.
			$this->restart();
			return;
		}
		$bytes = strlen( $answer->payload() );
		$file  = fopen( $request['path'], 'r+b' );
		if ( false === $file || 0 !== fseek( $file, $request['args']['offset'] ) || fwrite( $file, $answer->payload() ) !== $bytes || ! fclose( $file ) ) {
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not write a large value; its disk may be full.' );
		}
		$args = $request['args'];
		if ( $bytes < $args['length'] ) {
			$this->add_slice( $args['key'], $args['column'], $args['offset'] + $bytes, $args['length'] - $bytes, $request['total'], $request['path'] );
		}
	}

	/** @return Generator The chunk's rows, large values as `[path, length]`. */
	private function rows( array $chunk ): Generator {
		foreach ( Custom_Migrator_Rows_Payload::rows( $chunk['payload'], count( $this->info['columns'] ) ) as $r => $row ) {
			if ( isset( $chunk['large'][ $r ] ) ) {
				foreach ( $chunk['large'][ $r ] as $c => $path ) {
					clearstatcache( true, $path );
					if ( filesize( $path ) !== $row[ $c ] ) {
						throw Custom_Migrator_Import_Error::transient( 'bad_answer', 'A large value of ' . $this->name . ' did not arrive whole.' );
					}
					$row[ $c ] = array( $path, $row[ $c ] );
				}
			}
			yield $row;
		}
	}

	private function restart(): void {
		++$this->epoch;
		if ( ++$this->restarts > self::RESTARTS_MAX ) {
			throw Custom_Migrator_Import_Error::transient( 'source_changing', 'The table ' . $this->name . ' of the source changes faster than it can be read.' );
		}
		$this->queue      = array();
		$this->slices     = array();
		$this->slices_out = array();
		$this->busy       = false;
		$this->resume( $this->database->progress( $this->name ) );
	}

	private function resume( array $progress ): void {
		$this->cursor    = null === $progress['cursor'] ? null : $progress['cursor'][0];
		$this->asked_all = 1 === $progress['landed'];
	}
}
