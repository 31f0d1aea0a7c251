/** Stands where the adapters' entry comes: without them there is nothing to run. */
export async function handler(): Promise<never> {
	throw new Error('This build has no AWS adapters: merge them before deploying.');
}
