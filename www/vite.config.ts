// How the page is built. Engine modules and checkpoints are no part of it: `cargo xtask serve` serves them beside it,
// and `npm run dev` and `npm run preview` ask there for them.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const server = process.env['JEOUL_URL'] ?? 'http://127.0.0.1:8080';
const proxy = { '/engine': server, '/models': server };

/** Isolation and policy as `crates/xtask/src/server.rs` sends them, so that a preview breaks where the real page would. */
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; " +
    "img-src 'self' data:; font-src 'self'; connect-src 'self' https://huggingface.co https://*.hf.co; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

export default defineConfig({
  plugins: [svelte({ configFile: false })],
  appType: 'mpa', // a file that is missing is a 404, not the page
  publicDir: 'static', // `public/` holds only engine modules
  worker: { format: 'es' },
  build: { target: 'es2023', cssTarget: ['chrome123', 'firefox120', 'safari17.5'], modulePreload: { polyfill: false }, reportCompressedSize: false },
  server: { proxy },
  preview: { proxy, headers },
  test: { include: ['src/**/*.test.ts'] },
});
