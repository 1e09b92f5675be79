import { defineConfig } from 'vitest/config'

// Timeouts are long: a browser, a service and a broker wait for the same two cores. Nothing is repeated: that would hide what fails sometimes.
export default defineConfig({
  test: { dir: 'e2e', include: ['**/*.e2e.ts'], testTimeout: 60_000, maxWorkers: 2, hookTimeout: 60_000, expect: { poll: { timeout: 15_000, interval: 300 } }, reporters: ['default'] },
})
