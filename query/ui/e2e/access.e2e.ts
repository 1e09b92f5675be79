import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { locked, on, rows, send, total } from './serve'

const run = Date.now().toString(36)

describe('sign-in', () => {
  const credentials = async (page: Page, token: string): Promise<void> => {
    await page.getByLabel('API key or token').fill(token)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  const at = { base: locked, expected: [401, 403] }

  test('asks for credentials, says why bad ones are refused, and shows who asks', () => on(`/?last=all&serial=lock-${run}`, at, async (page) => {
    await credentials(page, 'nonsense')
    await page.getByRole('alert').waitFor()
    await send([{ action: 'signed', serial: `lock-${run}` }], process.env.ADMIN_TOKEN!, locked)
    await credentials(page, process.env.ADMIN_TOKEN!)
    await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBe(1)
    await page.getByText('tenant acme').waitFor()
    await page.getByRole('button', { name: 'Export' }).waitFor()
    expect(await page.evaluate(() => [document.cookie, JSON.stringify(sessionStorage), JSON.stringify(localStorage)].join())).not.toContain(process.env.ADMIN_TOKEN!.slice(-20))
    await page.reload()
    await page.getByLabel('API key or token').waitFor()
  }))

  test('kept until the tab closes, if wished; and sign out', () => on('/?last=all', at, async (page) => {
    await page.getByLabel('Keep it until this tab closes').check()
    await credentials(page, process.env.ADMIN_TOKEN!)
    await rows(page).first().waitFor()
    await page.reload()
    await rows(page).first().waitFor()
    await page.getByRole('button', { name: 'More', exact: true }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('API key or token').waitFor()
    await page.reload()
    await page.getByLabel('API key or token').waitFor()
  }))

  test('a role that may not read here is told so', () => on('/', at, async (page) => {
    await credentials(page, process.env.READER_TOKEN!)
    await page.getByRole('alert').getByText('needs the role').waitFor()
    await expect.poll(() => page.getByRole('button', { name: 'Export' }).count()).toBe(0)
    await page.getByRole('button', { name: 'Sign in with other credentials' }).click()
    await page.getByLabel('API key or token').waitFor()
  }))

  test('an administrator erases what is filtered, after typing the number', () => on('/?last=all&serial=gone', at, async (page) => {
    await send(Array.from({ length: 3 }, () => ({ action: 'erasable', serial: 'gone' })), process.env.ADMIN_TOKEN!, locked)
    await credentials(page, process.env.ADMIN_TOKEN!)
    await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBe(3)
    await page.getByRole('button', { name: 'More', exact: true }).click()
    await page.getByRole('button', { name: 'Erase what is filtered…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Erase what is filtered' })
    const erase = dialog.getByRole('button', { name: 'Erase 3' })
    expect(await erase.isDisabled()).toBe(true)
    await dialog.getByLabel('Number of entries').fill('3')
    await erase.click()
    await dialog.getByText('3 entries erased.').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.getByText('No entry matches.').waitFor()
  }))
})

describe('a fresh installation', () => {
  test('shows the first command, and turns to the list when an entry arrives', () => on(`/?last=all&tenant=${process.env.FRESH_TENANT}`, { base: locked, expected: [401, 403] }, async (page) => {
    await page.getByLabel('API key or token').fill(process.env.EVERY_TOKEN!)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('Nothing is stored yet.').waitFor()
    await page.getByText('/api/v1/activity_log -d').waitFor()
    await page.getByRole('link', { name: 'API description (OpenAPI)' }).waitFor()
    await send([{ action: 'first' }], process.env.FRESH_TOKEN!, locked)
    await rows(page).filter({ hasText: 'first' }).waitFor()
  }))
})

type Page = Parameters<Parameters<typeof on>[2]>[0]

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** What axe finds on the page as it is. */
async function violations(page: Page): Promise<string[]> {
  await page.waitForFunction(() => !document.querySelector('.busy'))
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.addScriptTag({ path: axe })
  return await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: { run: () => Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } }).axe.run()
    return violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} ${n.failureSummary?.slice(0, 200)}`).join(' | ')}`)
  })
}

describe('assistive technology finds no violations', () => {
  const steps: [name: string, act: (page: Page) => Promise<unknown>, undo?: (page: Page) => Promise<unknown>][] = [
    ['list', (page) => rows(page).first().waitFor()],
    ['keys', (page) => page.keyboard.press('?'), (page) => page.keyboard.press('Escape')],
    ['window', (page) => page.getByRole('button', { name: /^Time window/ }).click(), (page) => page.keyboard.press('Escape')],
    ['export', (page) => page.getByRole('button', { name: 'Export' }).click(), (page) => page.keyboard.press('Escape')],
    ['more', (page) => page.getByRole('button', { name: 'More', exact: true }).click(), (page) => page.keyboard.press('Escape')],
    ['add filter', async (page) => { await page.getByRole('button', { name: 'Add filter' }).click(); await page.getByRole('list', { name: 'Values' }).waitFor() }, (page) => page.keyboard.press('Escape')],
    ['entry', (page) => rows(page).first().click()],
    ['json', (page) => page.getByRole('tab', { name: 'JSON' }).click()],
    ['around', async (page) => { await page.getByRole('tab', { name: 'Around' }).click(); await page.locator('li.this').waitFor() }],
    ['nothing', async (page) => { await page.getByRole('searchbox', { name: 'Search' }).fill('nosuchword'); await page.getByText('No entry matches.').waitFor() }],
  ]
  test.each(['light', 'dark'] as const)('in every view (%s)', (colorScheme) => on('/?last=all&action=post&platform!=reddit&q=video', { colorScheme, reducedMotion: 'reduce', bypassCSP: true }, async (page) => {
    for (const [name, act, undo] of steps) {
      await act(page)
      expect(await violations(page), name).toEqual([])
      await undo?.(page)
    }
  }), 60_000)

  test('on a phone', () => on('/?last=all', { viewport: { width: 390, height: 844 }, bypassCSP: true, reducedMotion: 'reduce' }, async (page) => {
    await rows(page).first().waitFor()
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Facets', exact: true }).click()
    expect(await violations(page)).toEqual([])
  }))

  test('in the sign-in', () => on('/', { base: locked, expected: [401], bypassCSP: true }, async (page) => {
    await page.getByLabel('API key or token').waitFor()
    expect(await violations(page)).toEqual([])
  }))
})
