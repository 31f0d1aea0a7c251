import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		root: resolve(import.meta.dirname, '../..'),
		include: ['test/kill/**/*.test.ts'],
		// Fifty kills, each followed by a restart and the rest of a real clone.
		testTimeout: 3_600_000,
		hookTimeout: 300_000,
		maxWorkers: 1,
	},
});
