// Where the service and the browser are, and what every test checks besides its own matter: no console error, no request that failed.

import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect } from 'vitest'

/** EXPLORER_URL has 200,000 entries and no authentication; LOCKED_URL wants credentials. The Go test starts both. */
export const open = process.env.EXPLORER_URL!
export const locked = process.env.LOCKED_URL!

let browser: Browser
beforeAll(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM!, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })
})
afterAll(() => browser.close())

export interface Visit {
  page: Page
  faults: string[]
  close: () => Promise<void>
}

/** Opens the page. expected are answers that are no faults. */
export async function visit(path: string, options: BrowserContextOptions & { expected?: number[]; base?: string } = {}): Promise<Visit> {
  const { expected = [], base = open, ...rest } = options
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true, ...rest })
  await context.addInitScript(() => {
    const all: number[] = ((globalThis as unknown as { longTasks: number[] }).longTasks = [])
    new PerformanceObserver((list) => all.push(...list.getEntries().map((e) => e.duration))).observe({ type: 'longtask', buffered: true })
  })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const faults: string[] = [] // but not that the service is not ready for a moment, on a busy machine
  page.on('console', (m) => {
    if (['error', 'warning'].includes(m.type()) && !m.location().url.endsWith('/readyz') && !expected.some((status) => m.text().includes(`status of ${status}`))) faults.push(`${m.type()}: ${m.text()}`)
  })
  page.on('pageerror', (e) => faults.push(String(e)))
  page.on('response', (r) => r.status() >= 400 && !r.url().endsWith('/readyz') && !expected.includes(r.status()) && faults.push(`${r.status()} ${r.url()}`))
  page.on('requestfailed', (r) => r.failure()?.errorText !== 'net::ERR_ABORTED' && faults.push(`${r.failure()?.errorText} ${r.url()}`))
  await page.goto(base + path)
  return { page, faults, close: () => context.close() }
}

/** Runs a test on a page and then checks that nothing failed. */
export async function on(path: string, options: Parameters<typeof visit>[1], test: (page: Page) => Promise<void>): Promise<void> {
  const v = await visit(path, options)
  try {
    await test(v.page)
    expect(v.faults).toEqual([])
  } finally {
    await v.close()
  }
}

interface TraceEvent {
  name: string
  pid: number
  tid: number
  tdur?: number // CPU time, µs
  args?: { name?: string }
}

/**
 * Runs a test and returns how long it blocked the page's main thread at most, ms: the longest task, as the page sees it; and where that is
 * long, its CPU time, because on a busy machine a task also waits for a CPU.
 */
export async function blocked(page: Page, act: () => Promise<void>): Promise<number> {
  await browser.startTracing(page, { categories: ['disabled-by-default-devtools.timeline', '__metadata'] })
  let trace: Buffer
  try {
    await act()
  } finally {
    trace = await browser.stopTracing()
  }
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] }
  const main = new Set(traceEvents.filter((e) => e.name === 'thread_name' && e.args?.name === 'CrRendererMain').map((e) => `${e.pid}/${e.tid}`))
  const times = traceEvents.filter((e) => e.name === 'RunTask' && main.has(`${e.pid}/${e.tid}`)).flatMap((e) => e.tdur ?? []) // the one that runs as tracing ends has none
  expect(times.length).toBeGreaterThan(0)
  const seen = await page.evaluate(() => Math.max(0, ...(globalThis as unknown as { longTasks: number[] }).longTasks))
  return Math.min(seen, Math.max(...times) / 1000)
}

export const matches = (page: Page) => page.getByRole('status', { name: 'Matches' })
export const rows = (page: Page) => page.getByRole('grid', { name: 'Entries' }).locator('.row:not(.head):not(.ghost)')

/** The exact count that the page shows, once it shows one of the view that was asked for last. */
export async function total(page: Page): Promise<number> {
  await page.waitForFunction(() => document.querySelector('[aria-label=Matches]:not(.busy) strong'))
  return Number((await matches(page).innerText()).replace(/\D/g, ''))
}

/** Waits until the page shows this many. */
export async function shows(page: Page, n: number): Promise<void> {
  await expect.poll(() => total(page), { timeout: 15_000 }).toBe(n)
}

interface List {
  data: { id: string; action: string; platform?: string; username?: string; serial?: string; createdAt: string }[]
  meta: { totalItems: number }
}

/** What the API itself says. */
export async function ask(query: string, path = ''): Promise<List> {
  const res = await fetch(`${open}/api/v1/activity-logs${path}?${query}`)
  if (!res.ok) throw new Error(`${res.status} ${await res.text()}`)
  return (await res.json()) as List
}

export async function send(entries: object[], token = '', base = open): Promise<void> {
  const res = await fetch(`${base}/api/v1/activity-logs/batch`, {
    method: 'POST', headers: { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) }, body: JSON.stringify(entries),
  })
  if (!res.ok) throw new Error(`${res.status} ${await res.text()}`)
}

export type { Page }

/** Signs in; keep has the tab remember it. */
export async function credentials(page: Page, token: string, keep = false): Promise<void> {
  await page.getByLabel('API key or token').fill(token)
  if (keep) await page.getByLabel('Keep it until this tab closes').check()
  await page.getByRole('button', { name: 'Sign in' }).click()
}
