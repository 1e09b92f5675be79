import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { credentials, locked, on, rows, type Page } from './serve'

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

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const escape = (page: Page): Promise<void> => page.keyboard.press('Escape')
const dialog = (item: string, ready: string) => async (page: Page): Promise<void> => {
  await button(page, 'More').click()
  await button(page, item).click()
  await page.getByRole('dialog').getByText(ready).waitFor()
}

type Act = (page: Page) => Promise<unknown>

const steps: [name: string, act: Act, undo?: Act][] = [
  ['list', (page) => rows(page).first().waitFor()],
  ['keys', (page) => page.keyboard.press('?'), escape],
  ['window', (page) => page.getByRole('button', { name: /^Time window/ }).click(), escape],
  ['export', (page) => button(page, 'Export').click(), escape],
  ['more', (page) => button(page, 'More').click(), escape],
  ['compact and relative', async (page) => { for (const name of ['More', 'Compact', 'Relative']) await button(page, name).click() }, escape],
  ['add filter', async (page) => { await button(page, 'Add filter').click(); await page.getByRole('list', { name: 'Values' }).waitFor() }, escape],
  ['facet search', async (page) => { await button(page, 'Find device').click(); const found = page.waitForResponse((r) => r.url().includes('contains=SN-10')); await page.getByLabel('Find device').fill('SN-10'); await found }, async (page) => { await page.getByLabel('Find device').press('Escape') }],
  ['retention', dialog('Retention…', 'Entries are visible'), escape],
  ['cleanup', dialog('Clean up…', 'the retention is'), escape],
  ['erase', dialog('Erase what is filtered…', 'Erasing takes no filters'), escape],
  ['entry', (page) => rows(page).first().click()],
  ['json', (page) => page.getByRole('tab', { name: 'JSON' }).click()],
  ['around', async (page) => { await page.getByRole('tab', { name: 'Around' }).click(); await page.locator('li.this').waitFor() }],
  ['live', async (page) => { await button(page, 'Live tail').click(); await page.locator('.live.on:not(.joining)').waitFor() }],
  ['live, paused', async (page) => { await page.getByRole('grid').evaluate((el) => { el.scrollTop = 300 }); await page.getByRole('button', { name: /Resume/ }).waitFor() }],
  ['nothing', async (page) => { await page.getByRole('searchbox', { name: 'Search' }).fill('nosuchword'); await page.getByText('No entry matches.').waitFor() }],
]

describe('assistive technology finds no violations', () => {
  const bare = { bypassCSP: true, reducedMotion: 'reduce' } as const
  const modes = ['light', 'dark'] as const

  test.each(modes)('in every view (%s)', (colorScheme) => on('/?last=all&action=post&platform!=reddit&q=video', { ...bare, colorScheme }, async (page) => {
    for (const [name, act, undo] of steps) {
      await act(page)
      expect(await violations(page), name).toEqual([])
      await undo?.(page)
    }
  }), 180_000)

  test('on a phone', () => on('/?last=all', { ...bare, viewport: { width: 390, height: 844 } }, async (page) => {
    await rows(page).first().waitFor()
    expect(await violations(page)).toEqual([])
    await button(page, 'Facets').click()
    expect(await violations(page)).toEqual([])
    await button(page, 'Close facets').click()
    await rows(page).first().click()
    expect(await violations(page)).toEqual([])
  }))

  test.each(modes)('in the sign-in, for a role that may not read, and in a fresh installation (%s)', (colorScheme) => on('/', { ...bare, colorScheme, base: locked, expected: [401] }, async (page) => {
    await page.getByLabel('API key or token').waitFor()
    expect(await violations(page), 'sign-in').toEqual([])
    await credentials(page, process.env.READER_TOKEN!)
    await page.getByRole('alert').waitFor()
    expect(await violations(page), 'may not read').toEqual([])
    await button(page, 'Sign in with other credentials').click()
    await credentials(page, process.env.EMPTY_TOKEN!)
    await page.getByText('Nothing is stored yet.').waitFor()
    expect(await violations(page), 'fresh').toEqual([])
  }))
})
