import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		root: resolve(import.meta.dirname, '../../..'),
		include: ['test/real/aws/**/*.test.ts'],
		testTimeout: 120_000,
		hookTimeout: 240_000,
		pool: 'forks',
		maxWorkers: 1,
		fileParallelism: false,
	},
});
