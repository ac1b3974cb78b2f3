// Build, development proxy and unit tests. `COFFERDAM_ADMIN` names the admin listener that `vite dev` talks to.
import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vitest/config';

declare const process: { env: Record<string, string | undefined> };
const admin = process.env.COFFERDAM_ADMIN ?? 'http://127.0.0.1:8687';

export default defineConfig({
	plugins: [sveltekit()],
	// The chart library is one lazy chunk of about 550 kB; nothing else may come near it.
	build: { chunkSizeWarningLimit: 650 },
	server: { proxy: { '/api': admin, '/healthz': admin } },
	test: { include: ['src/**/*.test.ts'], environment: 'node' }
});
