/** What a fault of the shared database server means for a clone: once, here. */
import { PermanentError, ProductError, TransientError } from '../../core/errors.ts';

/** MySQL's numbers: the same in MariaDB. */
const LOGIN_REFUSED = new Set([1045, 1698, 3118, 3955]);
const FORBIDDEN = new Set([1044, 1095, 1142, 1227, 1370, 1410, 1419]);
const FULL = new Set([1021, 1114]);
const BUSY = new Set([1205, 1213]);
const AWAY = new Set([1040, 1053, 1203, 1226, 1927]);

/**
 * @param doing what was tried, for the sentence: `make the database`
 * @returns the error to throw. Its message holds nothing of a statement: there is a password in some.
 */
export function mysqlError(cause: unknown, doing: string): ProductError {
	if (cause instanceof ProductError) return cause;
	const { errno, code } = fault(cause);
	if (LOGIN_REFUSED.has(errno)) {
		return new TransientError(
			'database_login_refused',
			"The database server refused the service's login. Check the user of --mysql and its password.",
			{ cause },
		);
	}
	if (FORBIDDEN.has(errno)) {
		return new PermanentError(
			'database_forbidden',
			`The service's user on the database server may not ${doing}. Give it the rights that the runbook lists.`,
			{ cause },
		);
	}
	if (FULL.has(errno)) return new TransientError('database_full', 'The disk of the database server is full.', { cause });
	if (BUSY.has(errno)) {
		return new TransientError('database_busy', `Could not ${doing}: the clone's database is in use.`, { cause, retryAfterSeconds: 5 });
	}
	if (AWAY.has(errno) || errno <= 0) {
		const why = code === '' ? '' : ` (${code})`;
		return new TransientError('database_unreachable', `The database server does not answer${why}. Look at its address and the network.`, {
			cause,
		});
	}
	return new TransientError('database_error', `The database server failed to ${doing} (error ${errno}).`, { cause });
}

/** A driver's error carries the server's number, or for a connection that failed the system's, which is negative or none. */
function fault(cause: unknown): { errno: number; code: string } {
	if (!(cause instanceof Error)) return { errno: 0, code: '' };
	const errno = 'errno' in cause && typeof cause.errno === 'number' ? cause.errno : 0;
	const code = 'code' in cause && typeof cause.code === 'string' && /^[A-Z_0-9]{1,60}$/.test(cause.code) ? cause.code : '';
	return { errno, code };
}
