import { expect, test } from 'vitest'
import { on, rows, total, type Page } from './serve'

const end = new Date(process.env.EXPLORER_END!)
const start = new Date(end.getTime() - 31 * 86_400_000)

/** Presses Tab until what has the focus has this name. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let i = 0; i < 90; i++) {
    await page.keyboard.press('Tab')
    const at = await page.evaluate(() => {
      const el = document.activeElement as HTMLElement | null
      return el?.getAttribute('aria-label') ?? el?.textContent ?? ''
    })
    if (at.startsWith(name)) return
  }
  throw new Error(`Tab does not lead to ${name}`)
}

const address = (page: Page): URLSearchParams => new URL(page.url()).searchParams

test('everything is done by keyboard alone', () => on(`/?from=${start.toISOString()}&to=${end.toISOString()}`, {}, async (page) => {
  const press = async (...keys: string[]): Promise<void> => { for (const key of keys) await page.keyboard.press(key) }
  const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '')
  await rows(page).first().waitFor()

  await press('/')
  await page.keyboard.type('video')
  await press('Enter', 'Escape')
  await page.waitForURL((u) => u.searchParams.get('q') === 'video')

  await tabTo(page, 'Add filter')
  await press('Enter')
  await expect.poll(focused).toBe('Value')
  await page.keyboard.type('post')
  await press('Enter')
  await page.waitForURL((u) => u.searchParams.get('action') === 'post')
  expect(await focused()).toBe('Add filter')

  await page.getByRole('button', { name: 'Exclude platform: tiktok' }).waitFor({ state: 'attached' })
  await tabTo(page, 'Exclude platform: tiktok')
  await press('Enter')
  await page.waitForURL((u) => u.searchParams.get('platform!') === 'tiktok')

  await page.waitForFunction(() => document.querySelector('.histogram:not(.busy) svg rect'))
  await tabTo(page, 'Time')
  await press('ArrowLeft', 'ArrowLeft', 'Enter')
  await page.waitForURL((u) => u.searchParams.get('from') !== start.toISOString())
  const zoomed = address(page).get('from')
  await page.waitForFunction(() => document.querySelector('.histogram:not(.busy) svg rect'))
  await page.getByRole('slider').focus()
  await press('-')
  await page.waitForURL((u) => u.searchParams.get('from') !== zoomed)

  await page.waitForFunction(() => !document.querySelector('.busy'))
  await press('j', 'j', 'Enter')
  const entry = page.getByRole('complementary', { name: 'Entry' })
  await entry.waitFor()
  await tabTo(page, 'Around')
  await press('Enter')
  await entry.locator('li.this').waitFor()
  await press('Escape')
  await expect.poll(() => entry.count()).toBe(0)
  await expect.poll(focused).toBe('Entries')
  const all = await total(page)
  await press('x')
  await expect.poll(() => page.getByText(/^(No entry matches|0)/).count()).toBeGreaterThan(0)
  expect(all).toBeGreaterThan(0)

  await press('t')
  await tabTo(page, 'Last 30 days')
  await press('Enter')
  await page.waitForURL((u) => u.searchParams.get('last') === '30d')
  await press('l')
  await page.locator('.live.on:not(.joining)').waitFor()
  await press('l')

  await tabTo(page, 'More')
  await press('Enter')
  await tabTo(page, 'Compact')
  await press('Enter', 'Escape')
  expect(await focused()).toBe('More')
  expect(await page.evaluate(() => localStorage.getItem('activitylog.look'))).toContain('"compact":true')
  await press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await press('Escape')
  await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
}), 60_000)
