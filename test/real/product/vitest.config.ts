import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		dir: import.meta.dirname,
		include: ['**/*.test.ts'],
		testTimeout: 300_000,
		hookTimeout: 300_000,
		pool: 'forks',
		// One cluster with two cores under all of them, and the tests of a file follow one story.
		maxWorkers: 1,
		fileParallelism: false,
	},
});
