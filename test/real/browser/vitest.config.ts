import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		root: resolve(import.meta.dirname, '../../..'),
		include: ['test/real/browser/**/*.test.ts'],
		testTimeout: 180_000,
		hookTimeout: 300_000,
		maxWorkers: 1,
	},
});
