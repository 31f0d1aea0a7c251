/** Classifies what the AWS clients throw, after their own retries. */
import { PermanentError, ProductError, TransientError } from '../../core/errors.ts';

const THROTTLED: ReadonlySet<string> = new Set([
	'ProvisionedThroughputExceededException',
	'RequestLimitExceeded',
	'RequestThrottled',
	'RequestThrottledException',
	'ThrottlingException',
	'Throttling',
	'ThrottledException',
	'TooManyRequestsException',
	'LimitExceededException',
	'KmsThrottled',
	'OverLimit',
]);

const FORBIDDEN: ReadonlySet<string> = new Set(['AccessDeniedException', 'AccessDenied', 'KMSAccessDeniedException', 'KmsAccessDenied']);

const MISSING: ReadonlySet<string> = new Set([
	'ResourceNotFoundException',
	'QueueDoesNotExist',
	'AWS.SimpleQueueService.NonExistentQueue',
	'NotFoundException',
]);

/** The error's name, empty for what is not an error. */
export function nameOf(error: unknown): string {
	return error instanceof Error ? error.name : '';
}

/**
 * @param action what was asked, as IAM names it, e.g. `dynamodb:UpdateItem`
 * @returns an error of the product for what is known; anything else as it came
 */
export function awsError(cause: unknown, action: string): unknown {
	if (cause instanceof ProductError || !(cause instanceof Error)) return cause;
	if (THROTTLED.has(cause.name)) {
		return new TransientError('aws_throttled', `AWS takes no more requests at the moment (${action}).`, { cause, retryAfterSeconds: 2 });
	}
	if (FORBIDDEN.has(cause.name)) return new PermanentError('aws_forbidden', `The service's role lacks the right to ${action}.`, { cause });
	if (MISSING.has(cause.name)) {
		return new PermanentError('aws_resource_missing', `What ${action} was asked of is not there. Deploy the stacks again.`, { cause });
	}
	if (cause.name === 'ValidationException' && /item size|maximum allowed size/i.test(cause.message)) {
		return new PermanentError('row_too_large', 'The job keeps more than a row of the store can hold (400 KB).', { cause });
	}
	const status = '$metadata' in cause ? (cause.$metadata as { httpStatusCode?: number }).httpStatusCode : undefined;
	const refused = status !== undefined && status >= 400 && status < 500;
	// Not answered at all, answered 5xx, or without credentials for the moment: worth another try.
	return refused && !/token|credential|signature|UnrecognizedClient|RequestExpired/i.test(cause.name)
		? cause
		: new TransientError('aws_unavailable', `AWS did not answer (${action}).`, { cause });
}

/** Runs one request; what it throws is classified. */
export async function asked<T>(action: string, request: () => Promise<T>): Promise<T> {
	try {
		return await request();
	} catch (cause) {
		throw awsError(cause, action);
	}
}
