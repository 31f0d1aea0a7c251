/** How long finished jobs, the idempotency keys they were asked for with, and the rows of deleted clones are kept. */
export const RETENTION_DAYS = 90;
