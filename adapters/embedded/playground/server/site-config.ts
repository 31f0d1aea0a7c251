import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { PHP_VERSIONS } from '../php/runtime.ts';

/**
 * What a site's process is told, in a JSON file whose path is its one argument. Holds no secret.
 *
 * `slot`: a clone. Makes its WordPress from the bundle when it is not there yet, drives imports, reaches only what a
 * clone may reach, ends at the deadline of `stateDir` and then removes `slotRoot`.
 * `site`: a plain WordPress that is there already. Ends when the process that started it ends.
 */
export const siteConfigSchema = z.strictObject({
	mode: z.enum(['slot', 'site']),
	/** Slots: the folder that holds `siteDir` and `stateDir`. */
	slotRoot: z.string().startsWith('/').nullable(),
	/** What PHP sees, at the same path. A slot's CLONE_DIR. */
	siteDir: z.string().startsWith('/'),
	documentRoot: z.string().startsWith('/'),
	/** What the host keeps about the process; PHP does not see it. See state.ts. */
	stateDir: z.string().startsWith('/'),
	host: z.string(),
	/** 0: any. The one chosen is kept in `stateDir` for later starts. */
	port: z.int().min(0).max(65535),
	php: z.enum(PHP_VERSIONS),
	/** Most PHP instances at once. */
	workers: z.int().min(1).max(8),
	ini: z.record(z.string(), z.string()),
	/** Larger request bodies get 413. */
	maxBodyBytes: z.int().min(1),
	/** Slots: whether the import may fetch from private addresses. */
	allowPrivate: z.boolean(),
	/** Slots: the WordPress bundle. */
	bundleDir: z.string().nullable(),
});
export type SiteConfig = z.infer<typeof siteConfigSchema>;

/** @throws Error when the file is missing or not a site's configuration */
export function readSiteConfig(path: string): SiteConfig {
	return siteConfigSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}
