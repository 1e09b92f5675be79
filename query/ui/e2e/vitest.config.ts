import { defineConfig } from 'vitest/config'

// A test may be repeated: many wait for a browser, a service and a broker on the same two cores, and some measure how long they took.
export default defineConfig({
  test: { retry: 2, dir: 'e2e', include: ['**/*.e2e.ts'], testTimeout: 30_000, maxWorkers: 2, hookTimeout: 30_000, expect: { poll: { timeout: 15_000, interval: 300 } }, reporters: ['default'] },
})
