import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		dir: import.meta.dirname,
		include: ['**/*.test.ts'],
		testTimeout: 180_000,
		hookTimeout: 240_000,
		pool: 'forks',
		// One cluster with two cores under all of them.
		maxWorkers: 1,
		fileParallelism: false,
	},
});
