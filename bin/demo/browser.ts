/** As much of a browser as the demo needs: cookies and redirects within one site. */
export class Browser {
	readonly #cookies = new Map<string, string>();

	/** Follows up to five redirects. */
	async open(
		url: string,
		headers: Readonly<Record<string, string>> = {},
	): Promise<{ status: number; url: string; text: string; headers: Headers }> {
		let at = url;
		for (let hop = 0; hop <= 5; hop++) {
			const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
			const response = await fetch(at, { redirect: 'manual', headers: { ...headers, ...(cookie === '' ? {} : { cookie }) } });
			for (const line of response.headers.getSetCookie()) {
				const [pair = ''] = line.split(';');
				const split = pair.indexOf('=');
				this.#cookies.set(pair.slice(0, split), pair.slice(split + 1));
			}
			const location = response.headers.get('location');
			if (response.status < 300 || response.status > 399 || location === null) {
				return { status: response.status, url: at, text: await response.text(), headers: response.headers };
			}
			await response.body?.cancel();
			at = new URL(location, at).href;
		}
		throw new Error(`More than five redirects from ${url}.`);
	}
}
