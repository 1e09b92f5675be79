import { describe, expect, test } from 'vitest'
import { blocked, credentials, locked, on, rows, send, total } from './serve'

// WIDE_TOKEN may only read. Its tenant has 50,000 entries with as many actions, 10,000 devices and 9,999 actors.
const { WIDE_TOKEN, WIDE_WRITER } = process.env as Record<string, string>

const many = <T>(n: number, member: (i: number) => [string, T]): { [name: string]: T } => Object.fromEntries(Array.from({ length: n }, (_, i) => member(i)))

/** A main thread that is blocked for longer is felt, ms. */
const felt = 200

describe('whatever is stored', () => {
  test('hostile texts are texts', async () => {
    const run = Date.now().toString(36) // names of its own, so that it can be repeated
    const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    await send([
      { action: `hostile-${run}`, username: evil, serial: evil, platform: '\u202Eright to left', detail: `${evil}\n\u05E9\u05DC\u05D5\u05DD`, details: { '__proto__': 1, [evil]: { old: 'a', new: evil } } },
      { action: `hostile-${run}`, details: many(250, (i) => [`key${i}`, 'x'.repeat(230)]) },
      { action: `hostile-${run}`, details: { changes: { amount: { old: 100000, new: 50000 } } } },
    ], WIDE_WRITER, locked)
    await on(`/?last=15m&action=hostile-${run}`, { base: locked, expected: [401] }, async (page) => {
      await credentials(page, WIDE_TOKEN!)
      await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBe(3)
      for (let i = 0; i < 3; i++) {
        await rows(page).nth(i).click()
        await page.getByRole('complementary', { name: 'Entry' }).getByRole('tab', { name: 'JSON' }).click()
        await page.getByRole('complementary', { name: 'Entry' }).getByRole('tab', { name: 'Fields' }).click()
      }
      expect(await page.locator('img, script:not([src])').count()).toBe(0)
      expect(await page.title()).toBe('3 entries · activitylog')
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0)
    })
  })

  test('a word that is found thousands of times, in texts, rows, members and changes', async () => {
    const action = `words-${Date.now().toString(36)}`
    const changes = many(250, (i) => [`word ${i} ${'n'.repeat(i === 0 ? 250 : 1)}`, { old: 'x'.repeat(100), new: i === 0 ? many(200, (k) => [`word${k}`, 'word '.repeat(8)]) : 'word '.repeat(20) }])
    const entries = [
      ...Array.from({ length: 40 }, () => ({ action, username: 'row', detail: 'word '.repeat(100) })),
      { action, username: 'texts', detail: 'word '.repeat(3200), details: { text: 'word '.repeat(12_000) } },
      { action, username: 'members', details: many(100, (i) => [`key${i}`, 'word '.repeat(120)]) },
      { action, username: 'branches', details: many(100, (i) => [`word ${i}`, Array.from({ length: 100 }, () => 'word')]) },
      { action, username: 'changes', details: { changes } },
    ]
    const first = Date.now() - 60_000
    await send(entries.map((e, i) => ({ ...e, timestamp: first + i })), WIDE_WRITER, locked) // the last ones are the first rows
    await on(`/?last=15m&action=${action}`, { base: locked, expected: [401] }, async (page) => {
      await credentials(page, WIDE_TOKEN!)
      await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBe(entries.length)
      const entry = page.getByRole('complementary', { name: 'Entry' })
      const marks = entry.locator('mark')
      expect(await blocked(page, async () => {
        await page.getByRole('searchbox', { name: 'Search' }).fill('word')
        await expect.poll(() => rows(page).filter({ hasText: 'members' }).locator('mark').count()).toBe(8)
        for (const [name, most] of Object.entries({ texts: 120, members: 100, branches: 100, changes: 320 })) {
          await rows(page).filter({ hasText: name }).click()
          await entry.getByRole('definition').getByText(name, { exact: true }).waitFor()
          await marks.first().waitFor()
          expect(await marks.count(), name).toBeLessThanOrEqual(most)
          await entry.getByRole('tab', { name: 'JSON' }).click()
          await entry.getByRole('tab', { name: 'Fields' }).click()
        }
        await entry.getByRole('rowheader').first().getByRole('button', { name: /^Show all 25\d characters/ }).click()
        await entry.getByRole('button', { name: /^150 more/ }).click()
        await expect.poll(() => entry.getByRole('rowheader').count()).toBe(250)
        await rows(page).filter({ hasText: 'texts' }).click()
        for (const n of ['16,000', '60,000']) await entry.getByRole('button', { name: `Show all ${n} characters` }).click()
        expect(await marks.count()).toBe(2 * 200)
      })).toBeLessThan(felt)
    })
  })

  test('members after the hundredth, and those of the next entry, are closed and cut like the first ones', async () => {
    const action = `members-${Date.now().toString(36)}`
    const entries = [
      { action, username: 'next', details: many(150, (i) => [`key${i}`, i]) },
      { action, username: 'first', details: { ...many(100, (i) => [`key${i}`, i]), ...many(150, (i) => [`branch${i}`, Array.from({ length: 50 }, () => 0)]) } },
    ]
    const first = Date.now() - 60_000
    await send(entries.map((e, i) => ({ ...e, timestamp: first + i })), WIDE_WRITER, locked)
    await on(`/?last=15m&action=${action}`, { base: locked, expected: [401] }, async (page) => {
      await credentials(page, WIDE_TOKEN!)
      await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBe(entries.length)
      const entry = page.getByRole('complementary', { name: 'Entry' })
      const show = async (name: string, tab: string): Promise<void> => {
        await rows(page).filter({ hasText: name }).click()
        await entry.getByRole('tab', { name: 'Fields' }).click()
        await entry.getByRole('definition').getByText(name, { exact: true }).waitFor()
        await entry.getByRole('tab', { name: tab }).click()
      }
      const [branches, leaves] = [entry.locator('.json .branch'), entry.locator('.json .leaf')]
      await show('first', 'Fields')
      expect([await branches.count(), await leaves.count()]).toEqual([0, 100])
      expect(await blocked(page, async () => {
        await entry.getByRole('button', { name: '150 more' }).click()
        await expect.poll(() => branches.count()).toBe(150)
      })).toBeLessThan(felt)
      expect([await branches.locator('[aria-expanded=true]').count(), await leaves.count()]).toEqual([0, 100])
      await rows(page).filter({ hasText: 'next' }).click()
      await entry.getByRole('button', { name: '50 more' }).waitFor()
      expect(await leaves.count()).toBe(100)

      const details = entry.getByRole('button', { name: /^[▸▾]?details:/ })
      await show('first', 'JSON')
      await details.click()
      expect(await details.getAttribute('aria-expanded')).toBe('false')
      await rows(page).filter({ hasText: 'next' }).click()
      await expect.poll(() => details.getAttribute('aria-expanded')).toBe('true')
      await entry.getByRole('button', { name: '50 more' }).waitFor()
    })
  })

  test('many actions, devices and actors freeze nothing', () => on('/?last=24h&action!=none', { base: locked, expected: [401] }, async (page) => {
    await credentials(page, WIDE_TOKEN!)
    expect(await total(page)).toBeGreaterThanOrEqual(50_000)
    expect(await blocked(page, async () => {
      const facets = page.getByRole('region', { name: 'Facets' })
      const action = facets.getByRole('group', { name: 'Action' })
      const values = action.getByRole('button', { name: /^action: action-/ })
      await page.getByRole('combobox', { name: 'Stack by' }).selectOption('action')
      for (const n of [20, 100]) {
        await action.getByRole('button', { name: 'More action values' }).click()
        await expect.poll(() => values.count()).toBeGreaterThanOrEqual(n - 5)
      }
      await action.getByRole('button', { name: 'Find action' }).click()
      await action.getByLabel('Find action').fill('ON-4999')
      await expect.poll(() => values.count()).toBe(11) // action-4999 and action-49990 to action-49999
      const grid = page.getByRole('grid', { name: 'Entries' })
      for (const share of [0.5, 1, 0.25]) {
        await grid.evaluate((el, share) => { el.scrollTop = el.scrollHeight * share }, share)
        await rows(page).first().waitFor()
      }
      await rows(page).first().click()
      const entry = page.getByRole('complementary', { name: 'Entry' })
      await entry.getByRole('tab', { name: 'Around' }).click()
      await entry.locator('li.this').waitFor()
      await facets.getByRole('button', { name: /^action: action-49995,/ }).click()
      await expect.poll(() => total(page)).toBe(1)
    })).toBeLessThan(felt)
  }))
})
