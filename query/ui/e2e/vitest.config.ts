import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { dir: 'e2e', include: ['**/*.e2e.ts'], testTimeout: 30_000, maxWorkers: 2, hookTimeout: 30_000, expect: { poll: { timeout: 15_000, interval: 300 } }, reporters: ['default'] },
})
