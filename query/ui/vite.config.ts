import { defineConfig } from 'vite'

// The pages of the query service are below /ui/; the page itself is /. For `make ui-dev`, TARGET is a running service.
export default defineConfig(({ command }) => ({
  base: command === 'build' ? '/ui/' : '/',
  build: {
    target: 'es2022',
    assetsDir: '',
    assetsInlineLimit: 0, // the page's security policy allows no data: addresses
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: Object.fromEntries(['/api', '/readyz', '/version', '/openapi.json', '/metrics'].map((path) => [path, process.env.TARGET ?? 'http://127.0.0.1:50809'])),
  },
}))
