import { defaultCacheDir, ensureBundle, type WordPressBundle } from '../../../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { bootSourceSite, type SourceSite, type SourceSiteOptions } from '../../../adapters/embedded/playground/source-site.ts';

export { phpString, SOURCE_ADMIN, type SourceSite, type SourceSiteOptions } from '../../../adapters/embedded/playground/source-site.ts';

let bundle: Promise<WordPressBundle> | undefined;

/** The WordPress bundle, fetched once a machine (`$WP_CLONE_CACHE` says where it is kept). */
export function testBundle(): Promise<WordPressBundle> {
	bundle ??= ensureBundle({ cacheDir: defaultCacheDir(process.env) });
	return bundle;
}

/** A running plain WordPress; administrator SOURCE_ADMIN. Stop it in `afterAll`. */
export async function bootSite(options: Omit<SourceSiteOptions, 'bundle'> = {}): Promise<SourceSite> {
	return bootSourceSite({ bundle: await testBundle(), ...options });
}
