<?php
/**
 * The bytes after an answer's head.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Collects, hashes and sends a payload. Held as a list of pieces, so that growing it copies nothing; what exceeds
 * MEMORY bytes goes to an unnamed temporary file outside the web root.
 */
final class Custom_Migrator_Payload {
	/** Bytes held in memory at most. */
	const MEMORY = 5242880;

	/** Small additions are gathered to pieces of this size. */
	const PIECE = 65536;

	/** @var string[] */
	private $pieces = array();

	/** @var string */
	private $gather = '';

	/** @var int Bytes in $pieces. */
	private $held = 0;

	/** @var resource|null Temporary file. */
	private $file = null;

	/** @var int Bytes to be sent, so far. */
	private $bytes = 0;

	/** @var int Bytes before compression, so far. */
	private $raw = 0;

	/** @var resource|object */
	private $hash;

	/** @var string|null Hex, once finished. */
	private $digest = null;

	/** @var resource|object|null */
	private $deflate = null;

	/** @param bool $gzip Compress, where PHP can. */
	public function __construct( bool $gzip = false ) {
		$this->hash = hash_init( 'sha256' );
		if ( $gzip && function_exists( 'deflate_init' ) ) {
			$deflate       = deflate_init( ZLIB_ENCODING_GZIP, array( 'level' => 5 ) );
			$this->deflate = false === $deflate ? null : $deflate;
		}
	}

	public function add( string $bytes ): void {
		$this->raw += strlen( $bytes );
		if ( strlen( $bytes ) >= self::PIECE ) {
			$this->flush_gathered();
			$this->encode( $bytes, false );
			return;
		}
		$this->gather .= $bytes;
		if ( strlen( $this->gather ) >= self::PIECE ) {
			$this->flush_gathered();
		}
	}

	/** Bytes added so far, before compression. */
	public function raw_bytes(): int {
		return $this->raw;
	}

	/**
	 * Ends it. Nothing can be added after.
	 *
	 * @return array Members of an answer's head: bytes, sha256, and encoding with raw_bytes when compressed.
	 */
	public function finish(): array {
		if ( null === $this->digest ) {
			$this->flush_gathered();
			if ( null !== $this->deflate ) {
				$this->encode( '', true );
			}
			$this->digest = hash_final( $this->hash );
		}
		$head = array(
			'bytes'  => $this->bytes,
			'sha256' => $this->digest,
		);
		if ( null !== $this->deflate ) {
			$head['encoding']  = 'gzip';
			$head['raw_bytes'] = $this->raw;
		}
		return $head;
	}

	/** Prints it. */
	public function send(): void {
		if ( null !== $this->file ) {
			rewind( $this->file );
			fpassthru( $this->file );
			return;
		}
		foreach ( $this->pieces as $piece ) {
			echo $piece; // phpcs:ignore WordPress.Security.EscapeOutput -- Not HTML: binary, with its length and hash in the head.
		}
	}

	/**
	 * Adds all of this to another one, and keeps nothing of it.
	 *
	 * @throws LogicException When this one is compressed: its bytes would not be what was added.
	 */
	public function pour_into( self $other ): void {
		if ( null !== $this->deflate ) {
			throw new LogicException( 'A compressed payload cannot be part of another one.' );
		}
		$this->flush_gathered();
		foreach ( $this->pieces as $i => $piece ) {
			$other->add( $piece );
			unset( $this->pieces[ $i ] );
		}
		if ( null !== $this->file ) {
			rewind( $this->file );
			while ( ! feof( $this->file ) ) {
				$other->add( (string) fread( $this->file, self::PIECE ) );
			}
			fclose( $this->file );
			$this->file = null;
		}
		$this->held = 0;
	}

	private function flush_gathered(): void {
		if ( '' !== $this->gather ) {
			$gathered     = $this->gather;
			$this->gather = '';
			$this->encode( $gathered, false );
		}
	}

	private function encode( string $bytes, bool $last ): void {
		if ( null !== $this->deflate ) {
			$bytes = deflate_add( $this->deflate, $bytes, $last ? ZLIB_FINISH : ZLIB_NO_FLUSH );
			if ( false === $bytes ) {
				throw new Custom_Migrator_Error( 'compression_failed', 'The site could not compress its answer; ask again without gzip.', 500 );
			}
		}
		if ( '' === $bytes ) {
			return;
		}
		hash_update( $this->hash, $bytes );
		$this->bytes += strlen( $bytes );
		if ( null === $this->file ) {
			$this->pieces[] = $bytes;
			$this->held    += strlen( $bytes );
			if ( $this->held > self::MEMORY ) {
				$this->spill();
			}
			return;
		}
		$this->write( $bytes );
	}

	private function spill(): void {
		$file = tmpfile();
		if ( false === $file ) {
			throw new Custom_Migrator_Error( 'no_temporary_file', 'The site has no folder for temporary files; ask for fewer bytes.', 500 );
		}
		$this->file = $file;
		foreach ( $this->pieces as $piece ) {
			$this->write( $piece );
		}
		$this->pieces = array();
		$this->held   = 0;
	}

	private function write( string $bytes ): void {
		if ( fwrite( $this->file, $bytes ) !== strlen( $bytes ) ) {
			throw new Custom_Migrator_Error( 'temporary_file_full', 'The site could not write a temporary file; ask for fewer bytes.', 500 );
		}
	}
}
