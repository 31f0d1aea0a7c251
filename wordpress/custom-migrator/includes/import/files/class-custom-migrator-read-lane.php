<?php
/**
 * Asks for the contents of files and lands them.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Small files go many to a request, large ones in ranges; several requests are in flight. A range that lands twice writes
 * the same bytes to the same place. A file counts only when all of it was read back from the disk with the source's hash
 * (or, for a file too long for the source to hash, with the hash of each part as it came).
 */
class Custom_Migrator_Read_Lane implements Custom_Migrator_Lane {

	const FILES_MAX = 256;

	/** Reads of one file whose bytes did not add up to its hash, before it waits for the next listing. */
	const TRIES_MAX = 3;

	/** @var Custom_Migrator_File_Plan */
	private $plan;

	/** @var array<string,Custom_Migrator_Jailed_Writer> By root. */
	private $writers;

	/** @var Custom_Migrator_Import_State */
	private $state;

	/** @var array[] Parts to ask for. */
	private $queue = array();

	/** @var int The last part that was put into the queue. */
	private $after = 0;

	/** @var array<int,true> Parts that are asked for. */
	private $out = array();

	public function __construct( Custom_Migrator_File_Plan $plan, array $writers, Custom_Migrator_Import_State $state ) {
		$this->plan    = $plan;
		$this->writers = $writers;
		$this->state   = $state;
	}

	public function next( int $max_bytes ): ?array {
		$parts = array();
		$files = array();
		$bytes = 0;
		while ( count( $parts ) < self::FILES_MAX ) {
			if ( array() === $this->queue && ! $this->refill() ) {
				break;
			}
			$part = $this->queue[0];
			if ( $part['length'] > $max_bytes ) {
				if ( array() !== $parts ) {
					break;
				}
				$part['length'] = $max_bytes;
			}
			if ( array() !== $parts && $bytes + $part['length'] > $max_bytes ) {
				break;
			}
			array_shift( $this->queue );
			$bytes                      += $part['length'];
			$this->out[ $part['part'] ] = true;
			$parts[]                     = $part;
			$files[]                     = array(
				'root'   => $part['root'],
				'path'   => 1 === preg_match( '//u', $part['path'] ) ? $part['path'] : array( 'b' => base64_encode( $part['path'] ) ),
				'offset' => $part['offset'],
				'length' => $part['length'],
				'size'   => $part['size'],
				'mtime'  => $part['mtime'],
			);
		}
		if ( array() === $parts ) {
			return null;
		}
		return array(
			'key'   => 'read:' . $parts[0]['root'] . ':' . $parts[0]['file'] . ':' . $parts[0]['offset'],
			'verb'  => 'read',
			'args'  => array(
				'files'     => $files,
				'max_bytes' => $max_bytes,
			),
			'parts' => $parts,
		);
	}

	public function again( array $request ): void {
		foreach ( $request['parts'] as $part ) {
			unset( $this->out[ $part['part'] ] );
		}
		// Asked for anew from the plan, where a shortened part still has its whole length.
		$this->queue = array();
		$this->after = 0;
	}

	public function advance( array $request, Custom_Migrator_Answer $answer ): void {
		$data  = $answer->data();
		$parts = isset( $data['parts'] ) && is_array( $data['parts'] ) ? array_values( $data['parts'] ) : array();
		$bytes = 0;
		$news  = false;
		foreach ( $parts as $i => $part ) {
			$sound = isset( $request['parts'][ $i ] ) && is_array( $part ) && isset( $part['bytes'] ) && is_int( $part['bytes'] )
				&& $part['bytes'] >= 0 && $part['bytes'] <= $request['parts'][ $i ]['length'];
			if ( ! $sound ) {
				throw Custom_Migrator_Import_Error::transient( 'bad_answer', 'The source sent parts of files that were not asked for.' );
			}
			$bytes += $part['bytes'];
			$news   = $news || $part['bytes'] > 0 || isset( $part['error'] );
		}
		if ( ! $news || strlen( $answer->payload() ) !== $bytes ) {
			throw Custom_Migrator_Import_Error::transient( 'bad_answer', 'The source sent parts of files whose sizes do not add up.' );
		}
	}

	public function land( array $request, Custom_Migrator_Answer $answer ): void {
		$payload = $answer->payload();
		$results = array_values( $answer->data()['parts'] );
		$at      = 0;
		$this->plan->begin();
		try {
			foreach ( $request['parts'] as $i => $part ) {
				unset( $this->out[ $part['part'] ] );
				if ( ! isset( $results[ $i ] ) || ( 0 === $results[ $i ]['bytes'] && ! isset( $results[ $i ]['error'] ) ) ) {
					// The source ran out of time or room: still in the plan, asked for in the next round.
					$this->queue = array();
					$this->after = 0;
					continue;
				}
				$bytes = $results[ $i ]['bytes'];
				$this->land_part( $part, substr( $payload, $at, $bytes ), $results[ $i ] );
				$at += $bytes;
			}
			$this->plan->commit();
		} catch ( Throwable $error ) {
			$this->plan->roll_back();
			throw $error;
		}
	}

	private function land_part( array $part, string $bytes, array $result ): void {
		$file = $this->plan->find( $part['root'], $part['path'] );
		if ( null === $file || Custom_Migrator_File_Plan::WANTED !== (int) $file['state'] || $file['sha256'] !== $part['sha256'] ) {
			return;
		}
		if ( isset( $result['error'] ) ) {
			$this->lost( $part, (string) $result['error'] );
			return;
		}
		$length = strlen( $bytes );
		$ended  = ! empty( $result['eof'] );
		if ( $ended && $part['offset'] + $length < $part['size'] ) {
			$this->lost( $part, 'changed' );
			return;
		}
		$writer = $this->writers[ $part['root'] ];
		$target = Custom_Migrator_File_Rules::target( $part['root'], $part['path'] );
		$writer->write_at( $target, $part['offset'], $bytes );
		if ( '' === $part['sha256'] ) {
			$this->plan->note_landed( $part['file'], $part['offset'], $length, hash( 'sha256', $bytes ) );
		}
		$this->land_rest( $part, $length );
		if ( $this->plan->has_parts( $part['file'] ) ) {
			return;
		}
		if ( $this->is_whole( $writer, $target, $part ) ) {
			$this->plan->set_state( $part['file'], Custom_Migrator_File_Plan::STAGED );
		} elseif ( (int) $file['tries'] + 1 < self::TRIES_MAX ) {
			$this->plan->set_state( $part['file'], Custom_Migrator_File_Plan::WANTED );
			$this->plan->plan_parts( $part['file'], $part['size'] );
		} else {
			$this->plan->set_state( $part['file'], Custom_Migrator_File_Plan::CHANGED );
		}
	}

	/** Reads the finished file back from the disk. */
	private function is_whole( Custom_Migrator_Jailed_Writer $writer, string $target, array $part ): bool {
		$hash = $writer->seal( $target, $part['size'], $part['mtime'] );
		if ( '' !== $part['sha256'] ) {
			return $hash === $part['sha256'];
		}
		$at = 0;
		foreach ( $this->plan->landed( $part['file'] ) as $landed ) {
			if ( $landed['offset'] !== $at || $writer->hash_part( $target, $at, $landed['length'] ) !== $landed['sha256'] ) {
				return false;
			}
			$at += $landed['length'];
		}
		return $at === $part['size'];
	}

	/** Takes the part out of the plan, and puts what is left of it back (it was asked for, or answered, in part only). */
	private function land_rest( array $part, int $length ): void {
		$whole = $this->plan->part_length( $part['part'] );
		$this->plan->drop_part( $part['part'] );
		if ( $length < $whole ) {
			$this->plan->add_part( $part['file'], $part['offset'] + $length, $whole - $length );
		}
	}

	private function lost( array $part, string $error ): void {
		if ( 'changed' === $error ) {
			$this->plan->set_state( $part['file'], Custom_Migrator_File_Plan::CHANGED );
			return;
		}
		$this->plan->set_state( $part['file'], Custom_Migrator_File_Plan::MISSED );
		$this->writers[ $part['root'] ]->remove( Custom_Migrator_File_Rules::target( $part['root'], $part['path'] ) );
		$this->state->add(
			'differences',
			array(
				'path'   => $part['root'] . '/' . $part['path'],
				'reason' => 'gone' === $error ? 'missing: removed from the source during the copy' : 'missing: the source could not read it',
			)
		);
	}

	private function refill(): bool {
		do {
			$parts = $this->plan->parts_after( $this->after, 500 );
			foreach ( $parts as $part ) {
				$this->after = $part['part'];
				if ( ! isset( $this->out[ $part['part'] ] ) ) {
					$this->queue[] = $part;
				}
			}
		} while ( array() !== $parts && array() === $this->queue );
		return array() !== $this->queue;
	}
}
