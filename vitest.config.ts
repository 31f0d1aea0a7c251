import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		include: ['test/**/*.test.ts'],
		exclude: ['test/real/**', 'test/kill/**'],
		// Real WordPress in WebAssembly: a page is half a second on an idle machine, more on a busy one.
		testTimeout: 120_000,
		hookTimeout: 180_000,
		pool: 'forks',
		// One more than the cores it is meant for: several tests wait for a clock or for another process.
		maxWorkers: 3,
	},
});
