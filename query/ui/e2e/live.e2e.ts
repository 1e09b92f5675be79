import { beforeEach, describe, expect, test } from 'vitest'
import { blocked, on, rows, send, shows, total, visit } from './serve'

// What a test writes has names of its own, so that it can be repeated.
let run = ''
beforeEach(() => { run = Date.now().toString(36) })

describe('live tail', () => {
  test('follows, pauses when scrolled, and goes on after a break', () => on(`/?last=1h&action=live-${run}`, {}, async (page) => {
    const one = (n: number): object => ({ action: `live-${run}`, serial: `live-${n}`, detail: `number ${n}` })
    await send([one(0)])
    await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBe(1)
    await page.keyboard.press('l')
    const button = page.getByRole('button', { name: 'Live tail' })
    await expect.poll(() => button.getAttribute('aria-pressed')).toBe('true')
    await page.locator('.live.on:not(.joining)').waitFor()
    await page.mouse.move(5, 5)
    await send(Array.from({ length: 60 }, (_, i) => one(i + 1)))
    await shows(page, 61)
    await page.getByRole('grid', { name: 'Entries' }).evaluate((el) => { el.scrollTop = 300 })
    await page.getByRole('button', { name: /Resume/ }).waitFor()
    await send(Array.from({ length: 7 }, (_, i) => one(i + 100)))
    await page.getByRole('button', { name: /^7 new/ }).click()
    await shows(page, 68)
    await page.mouse.move(5, 5)
    await page.context().setOffline(true)
    await page.context().setOffline(false)
    await send([one(200)])
    await shows(page, 69)
    await button.click()
    expect(await button.getAttribute('aria-pressed')).toBe('false')
  }))

  test('shows a gap where the service gave up on a slow reader, and the list has what was missed', async () => {
    const v = await visit(`/?last=1h&action=gap-${run}`, {})
    const { page } = v
    const one = (n: number): object => ({ action: `gap-${run}`, detail: `number ${n}` })
    await send([one(0)])
    await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBe(1)
    let cut = false
    await page.route('**/stream?*', async (route) => {
      if (cut) return await route.continue()
      cut = true
      await send(Array.from({ length: 150 }, (_, i) => one(i + 1)))
      await route.fulfill({ contentType: 'text/event-stream', body: 'id: 0:1\n\nevent: end\ndata: {"reason":"too slow"}\n\n' })
    })
    await page.keyboard.press('l')
    await page.getByText('More entries arrive than can be shown live.').waitFor()
    await page.locator('.live.on:not(.joining)').waitFor()
    await shows(page, 151)
    await page.getByRole('button', { name: 'Read the list again' }).click()
    await expect.poll(() => page.locator('.notice').count()).toBe(0)
    await shows(page, 151)
    await v.close()
    expect(v.faults).toEqual([])
  })

  test('more than it holds: every entry is counted, none freezes the page', () => {
    const action = `flood-${Date.now().toString(36)}`
    return on(`/?last=1h&action=${action}`, {}, async (page) => {
      await send([{ action }])
      await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBe(1)
      await page.mouse.move(5, 5)
      await page.keyboard.press('l')
      await page.locator('.live.on:not(.joining)').waitFor()
      expect(await blocked(page, async () => {
        for (let i = 0; i < 6; i++) await send(Array.from({ length: 1000 }, (_, n) => ({ action, serial: `d-${n}`, detail: 'x'.repeat(200) })))
        await shows(page, 6001)
        await rows(page).first().waitFor()
      })).toBeLessThan(200)
      await shows(page, 6001)
    })
  })
})
