import { describe, expect, test } from 'vitest'
import { ask, matches, on, open, rows, send, shows, total, visit } from './serve'

// The generated entries lie in these 30 days; EXPLORER_END is where they end.
const end = new Date(process.env.EXPLORER_END!)
const start = new Date(end.getTime() - 31 * 86_400_000)
const window = `from=${start.toISOString()}&to=${end.toISOString()}`
const asked = `startDate=${start.toISOString()}&endDate=${end.toISOString()}`

describe('filters', () => {
  test('a click on a facet filters, and what is shown is what the API says', () => on(`/?${window}`, {}, async (page) => {
    await shows(page, (await ask(asked)).meta.totalItems)
    const facets = page.getByRole('region', { name: 'Facets' })
    await facets.getByRole('button', { name: /^action: post, [\d,]+$/ }).click()
    const want = await ask(`${asked}&action=post&pageSize=5`)
    await shows(page, want.meta.totalItems)
    expect((await page.getByRole('list', { name: 'Filters' }).innerText()).replace(/\s+/g, ' ')).toContain('action = post')
    await rows(page).first().waitFor()
    expect(await rows(page).first().innerText()).toContain(want.data[0]!.username ?? '')
    expect(await page.getByRole('grid', { name: 'Entries' }).getAttribute('aria-rowcount')).toBe(String(want.meta.totalItems))
    expect(new URL(page.url()).searchParams.get('action')).toBe('post')
  }))

  test('exclude, turn into its opposite, remove, and go back', () => on(`/?${window}`, {}, async (page) => {
    const all = await total(page)
    const facets = page.getByRole('region', { name: 'Facets' })
    const value = facets.getByRole('button', { name: /^platform: reddit|^platform: threads/ }).first()
    const name = /platform: (\w+),/.exec((await value.textContent())!)![1]!
    await value.hover()
    await facets.getByRole('button', { name: `Exclude platform: ${name}` }).click()
    const without = (await ask(`${asked}&platform!=${name}`)).meta.totalItems
    await shows(page, without)
    await page.getByRole('button', { name: `platform ≠ ${name}` }).click()
    await shows(page, all - without)
    await page.getByRole('button', { name: `Remove filter: platform is ${name}` }).click()
    await shows(page, all)
    await page.goBack()
    await shows(page, all - without)
    await page.goBack()
    await shows(page, without)
    await page.goForward()
    await shows(page, all - without)
  }))

  test('add a filter with values that the service knows', () => on(`/?${window}`, {}, async (page) => {
    await page.getByRole('button', { name: 'Add filter' }).click()
    await page.getByRole('combobox', { name: 'Field' }).selectOption('serial')
    await page.getByRole('textbox', { name: 'Value' }).fill('sn-100')
    await page.getByRole('list', { name: 'Values' }).getByRole('button', { name: /^SN-1000000/ }).click()
    await shows(page, (await ask(`${asked}&serial=SN-1000000`)).meta.totalItems)
  }))

  test('search marks what it found', () => on(`/?${window}`, {}, async (page) => {
    await page.keyboard.press('/')
    await page.keyboard.type('"live str', { delay: 20 })
    await page.waitForURL((u) => u.searchParams.has('q')) // a pause searches
    await page.keyboard.type('eam" schedule')
    await page.keyboard.press('Enter')
    await shows(page, (await ask(`${asked}&search=${encodeURIComponent('"live stream" schedule')}`)).meta.totalItems)
    expect((await rows(page).first().locator('mark').allInnerTexts()).map((t) => t.toLowerCase())).toEqual(['live stream', 'schedule'])
  }))

  test('what empties the list is named, and can be dropped', () => on(`/?${window}&action=post&platform=nowhere`, {}, async (page) => {
    await page.getByText('No entry matches.').waitFor()
    await page.getByRole('listitem').filter({ hasText: 'Without platform = nowhere' }).getByRole('button', { name: 'Drop it' }).click()
    await shows(page, (await ask(`${asked}&action=post`)).meta.totalItems)
  }))
})

describe('time', () => {
  test('drag over the histogram zooms in, a double click zooms out', () => on(`/?${window}`, {}, async (page) => {
    const all = await total(page)
    const chart = page.getByRole('figure', { name: 'Histogram' }).getByRole('slider')
    const box = (await chart.boundingBox())!
    await page.mouse.move(box.x + box.width * 0.4, box.y + 40)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.5, box.y + 50, { steps: 4 })
    await page.mouse.up()
    await page.waitForURL((u) => u.searchParams.get('from') !== start.toISOString())
    const p = new URL(page.url()).searchParams
    await shows(page, (await ask(`startDate=${p.get('from')}&endDate=${p.get('to')}`)).meta.totalItems)
    expect(await total(page)).toBeLessThan(all / 5)
    await page.waitForFunction(() => document.querySelector('.histogram:not(.busy) svg rect'))
    await chart.dblclick()
    await page.waitForURL((u) => u.searchParams.get('from') !== p.get('from'))
    await expect.poll(() => total(page)).toBeGreaterThan(all / 5)
  }))

  test('a bar is opened with keys', () => on(`/?${window}`, {}, async (page) => {
    await page.waitForFunction(() => document.querySelector('.histogram:not(.busy) svg rect'))
    const chart = page.getByRole('figure', { name: 'Histogram' }).getByRole('slider')
    await chart.focus()
    for (const key of ['ArrowLeft', 'ArrowLeft', 'ArrowLeft']) await page.keyboard.press(key)
    const n = Number(/: ([\d,]+) entr/.exec((await chart.getAttribute('aria-valuetext'))!)![1]!.replaceAll(',', ''))
    await page.keyboard.press('Enter')
    await shows(page, n)
  }))

  test('a window that is written', () => on('/', {}, async (page) => {
    await page.keyboard.press('t')
    await page.getByRole('textbox', { name: 'From' }).fill('2001-02-03')
    await page.getByRole('textbox', { name: 'To' }).fill('x')
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByRole('alert').filter({ hasText: 'To: write a time' }).waitFor()
    await page.getByRole('textbox', { name: 'To' }).fill('2001-02-03')
    await page.keyboard.press('Enter')
    await page.waitForURL((u) => u.searchParams.get('to') === '2001-02-03T23:59:59.999Z')
  }))
})

describe('entries', () => {
  test('open, filter by a value, close, and a link to one', () => on(`/?${window}`, {}, async (page) => {
    await rows(page).nth(3).click()
    const entry = page.getByRole('complementary', { name: 'Entry' })
    const item = (await ask(`${asked}&pageSize=4`)).data[3]!
    await entry.getByRole('heading', { name: item.action, exact: true }).waitFor()
    expect(new URL(page.url()).searchParams.get('entry')).toBe(item.id)
    await entry.getByRole('tab', { name: 'JSON' }).click()
    await entry.getByText(item.id).waitFor()
    await entry.getByRole('tab', { name: 'Around' }).click()
    await entry.locator('li.this').waitFor()
    await page.keyboard.press('Escape')
    await expect.poll(() => entry.count()).toBe(0)
    const old = (await ask(`${asked}&sort=createdAt:asc&pageSize=1`)).data[0]!
    await page.goto(`${open}/?entry=${old.id}&last=1h`)
    await entry.getByText(old.id).waitFor()
  }))

  test('keys move and open', () => on(`/?${window}`, {}, async (page) => {
    await rows(page).first().waitFor()
    const items = (await ask(`${asked}&pageSize=4`)).data
    for (const key of ['j', 'j', 'j', 'k', 'Enter']) await page.keyboard.press(key)
    await page.waitForURL((u) => u.searchParams.get('entry') === items[1]!.id)
    await page.keyboard.press('j')
    await page.waitForURL((u) => u.searchParams.get('entry') === items[2]!.id)
  }))

  test('neighbours are those of the last choice, and more of them are added', () => on(`/?${window}`, {}, async (page) => {
    await rows(page).nth(3).click()
    const entry = page.getByRole('complementary', { name: 'Entry' })
    await entry.getByRole('tab', { name: 'Around' }).click()
    await entry.locator('li.this').waitFor()
    let release = (): void => undefined
    const held = new Promise<void>((done) => { release = done })
    await page.route(/activity-logs\?.*cursor=/, async (route) => {
      await held
      await route.continue().catch(() => undefined) // the page may have given up
    })
    const asked = page.waitForRequest(/cursor=/)
    await entry.getByRole('button', { name: 'Earlier…' }).click()
    await asked
    const read = page.waitForResponse(/\/around\?/)
    await entry.getByRole('combobox').selectOption({ label: 'everything' })
    await (await read).finished()
    await expect.poll(() => entry.locator('li').count()).toBeGreaterThan(8)
    const before = await entry.locator('li').allInnerTexts()
    release()
    await page.waitForTimeout(500)
    expect(await entry.locator('li').allInnerTexts()).toEqual(before)
    await entry.getByRole('button', { name: 'Earlier…' }).click()
    await expect.poll(() => entry.locator('li').count()).toBe(before.length + 25)
    await entry.getByRole('button', { name: 'Earlier…' }).click()
    await expect.poll(() => entry.locator('li').count()).toBe(before.length + 50)
    expect((await entry.locator('li').allInnerTexts()).slice(0, before.length)).toEqual(before)
  }))

  test('any place of the list, and it does not jump', () => on(`/?${window}`, {}, async (page) => {
    await rows(page).first().waitFor()
    const grid = page.getByRole('grid', { name: 'Entries' })
    for (const part of [0.5, 0.93, 0.1]) {
      const first = await grid.evaluate((el, to) => { el.scrollTop = Math.round((el.scrollHeight * to) / 28) * 28; return el.scrollTop / 28 }, part)
      const want = (await ask(`${asked}&pageSize=1&page=${first + 2}`)).data[0]!
      const row = grid.locator(`[aria-rowindex="${first + 2}"]:not(.ghost)`)
      await row.waitFor()
      expect((await row.innerText()).replace(/\s+/g, ' ')).toContain(want.createdAt.slice(11, 19))
      expect(await grid.evaluate((el) => el.scrollTop / 28)).toBe(first)
    }
  }))
})

describe('export', () => {
  test('has exactly what is filtered', () => on(`/?${window}&action=post&platform!=tiktok`, {}, async (page) => {
    const n = await total(page)
    await page.getByRole('button', { name: 'Export' }).click()
    const saved = page.waitForEvent('download')
    await page.getByRole('button', { name: 'NDJSON', exact: true }).click()
    const stream = await (await saved).createReadStream()
    let text = ''
    for await (const piece of stream) text += piece
    const lines = text.trimEnd().split('\n').map((l) => JSON.parse(l) as { action: string; platform: string })
    expect(lines.length).toBe(n)
    expect(lines.every((l) => l.action === 'post' && l.platform !== 'tiktok')).toBe(true)
    await page.getByText(/^Saved:/).waitFor()
  }))
})

describe('states', () => {
  test('an error says what, and can be tried again', async () => {
    const v = await visit('/', { expected: [500, 503] })
    await v.page.route('**/api/v1/activity-logs?*', (r) => r.fulfill({ status: 503, headers: { 'X-Request-Id': 'r-1', 'Content-Type': 'application/json' }, body: '{"success":false,"message":"clickhouse is unavailable","meta":{}}' }))
    await v.page.keyboard.press('Control+Enter')
    const alert = v.page.getByRole('alert')
    await alert.getByText('clickhouse is unavailable').waitFor()
    await alert.getByText('r-1').waitFor()
    await v.page.unrouteAll()
    await alert.getByRole('button', { name: 'Retry' }).click()
    await expect.poll(() => alert.count()).toBe(0)
    expect(v.faults).toEqual([])
    await v.close()
  })

  test('nothing scrolls sideways, at any width', () => on(`/?${window}&action=post&platform!=reddit&q=video`, { viewport: { width: 360, height: 780 } }, async (page) => {
    const sideways = (): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    await rows(page).first().waitFor()
    for (const width of [360, 390, 700, 900, 1100, 1440]) {
      await page.setViewportSize({ width, height: 780 })
      await rows(page).first().click()
      await page.getByRole('complementary', { name: 'Entry' }).waitFor()
      expect(await sideways(), `${width} with an entry`).toBeLessThanOrEqual(0)
      await page.getByRole('button', { name: 'Close entry' }).click()
      expect(await sideways(), String(width)).toBeLessThanOrEqual(0)
    }
  }))

  test('a saved view and columns', () => on(`/?${window}&action=post`, {}, async (page) => {
    await page.getByRole('button', { name: 'More', exact: true }).click()
    await page.getByRole('textbox', { name: 'Name of the view' }).fill('posts')
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByRole('checkbox', { name: 'Platform' }).uncheck()
    await expect.poll(() => page.getByRole('columnheader', { name: 'Platform' }).count()).toBe(0)
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Remove filter: action is post' }).click()
    await page.getByRole('button', { name: 'More', exact: true }).click()
    await page.getByRole('button', { name: 'posts', exact: true }).click()
    await page.waitForURL((u) => u.searchParams.get('action') === 'post')
    await matches(page).waitFor()
  }))
})
