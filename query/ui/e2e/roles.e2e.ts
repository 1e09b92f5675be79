import { describe, expect, test } from 'vitest'
import { credentials, locked, on, rows, send, total, type Page } from './serve'

const { ADMIN_TOKEN, ANALYST_TOKEN, TENANT_ADMIN_TOKEN, ACCESS_ADMIN_TOKEN, READER_TOKEN, AUDITOR_TOKEN, EVERY_TOKEN, OLD_TOKEN } = process.env as Record<string, string>

/** 401: the page asks before it has credentials. Any other refusal fails: what is refused is not offered. */
const at = { base: locked, expected: [401] }

const administration = (page: Page) => page.getByRole('group', { name: 'Administration' })
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

/** Uses whatever reads. */
async function readAll(page: Page): Promise<void> {
  await rows(page).first().click()
  const entry = page.getByRole('complementary', { name: 'Entry' })
  await entry.getByText('Received').waitFor()
  for (const tab of ['JSON', 'Around', 'Fields']) await entry.getByRole('tab', { name: tab }).click()
  await button(page, 'Close entry').click()
  await button(page, 'Live tail').click()
  await page.locator('.live.on:not(.joining)').waitFor()
  await button(page, 'Live tail').click()
  await button(page, 'More').click()
}

describe('what a role may not do is not offered', () => {
  test.each([
    { role: 'ADMIN', token: ADMIN_TOKEN!, exports: true, administers: true },
    { role: 'Analyst', token: ANALYST_TOKEN!, exports: true, administers: false },
    { role: 'ADMIN with the scope read only', token: AUDITOR_TOKEN!, exports: false, administers: false },
  ])('$role', ({ token, exports, administers }) => on('/?last=all', at, async (page) => {
    await send([{ action: 'seen', serial: 'role-1', username: 'ann' }], ADMIN_TOKEN!, locked)
    await credentials(page, token)
    await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBeGreaterThan(0)
    await readAll(page)
    expect(await button(page, 'Export').count()).toBe(exports ? 1 : 0)
    expect(await administration(page).count()).toBe(administers ? 1 : 0)
    await page.keyboard.press('Escape')
    if (!exports) return
    await button(page, 'Export').click()
    await button(page, 'CSV').click()
    await page.getByText(/^Saved:/).waitFor()
  }))

  test.each([
    { role: 'TenantAdmin', token: TENANT_ADMIN_TOKEN! },
    { role: 'AccessAdmin', token: ACCESS_ADMIN_TOKEN! },
    { role: 'Reader', token: READER_TOKEN! },
  ])('$role may not read here, is told so and is offered nothing else', ({ token }) => on('/', at, async (page) => {
    await credentials(page, token, true)
    const told = page.getByRole('alert').getByText('needs the role ADMIN or Analyst')
    await told.waitFor()
    expect(await page.getByRole('button').allInnerTexts()).toEqual(['Copy', 'Sign in with other credentials'])
    await page.reload()
    await told.waitFor()
    await button(page, 'Sign in with other credentials').click()
    await page.getByLabel('API key or token').waitFor()
  }))

  test('an administrator of all tenants names one before changing anything', () => on('/?last=all&action=seen', at, async (page) => {
    await send([{ action: 'seen', serial: 'role-1', username: 'ann' }], ADMIN_TOKEN!, locked)
    await credentials(page, EVERY_TOKEN!)
    await rows(page).first().click()
    await button(page, 'More').click()
    await administration(page).getByText('Filter by one tenant').waitFor()
    expect(await administration(page).getByRole('button').count()).toBe(0)
    await page.keyboard.press('Escape')
    await button(page, 'Only tenant acme').click()
    await page.waitForURL((u) => u.searchParams.get('tenant') === 'acme')
    await button(page, 'More').click()
    await administration(page).getByRole('button', { name: 'Retention…' }).waitFor()
    await page.keyboard.press('Escape')
    await button(page, 'Remove filter: tenant is acme').click()
    await page.waitForURL((u) => !u.searchParams.has('tenant'))
  }))
})

describe('administration', () => {
  const choose = async (page: Page, item: string): Promise<ReturnType<Page['getByRole']>> => {
    await button(page, 'More').click()
    await button(page, item).click()
    return page.getByRole('dialog', { name: item.replace('…', '') })
  }

  test('a cleanup erases what was counted, whatever is typed or read meanwhile', () => on('/?last=all', at, async (page) => {
    await send([{ action: 'seen', serial: 'role-1', username: 'ann' }], ADMIN_TOKEN!, locked)
    await credentials(page, ADMIN_TOKEN!)
    await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBeGreaterThan(0)
    const held: Record<string, () => void> = {}
    await page.route('**/retention', async (route) => {
      const method = route.request().method()
      await new Promise<void>((done) => { held[method] = done })
      await route.fulfill({ json: { success: true, data: method === 'GET' ? { days: 45 } : { dryRun: true, deletedCount: 7 } } })
    })
    await page.route('**/cleanup', (route) => route.fulfill({ json: { success: true, data: { deletedCount: 7 } } }))
    const clean = await choose(page, 'Clean up…')
    const days = clean.getByLabel('Days')
    await days.fill('90')
    held.GET!()
    await clean.getByText('the retention is 45 days').waitFor()
    expect(await days.inputValue()).toBe('90')
    await clean.getByRole('button', { name: 'Count what it erases' }).click()
    await expect.poll(() => held.PUT).toBeDefined()
    for (const key of ['Backspace', 'Backspace', '3', '0', 'Enter']) await days.press(key)
    expect(await days.inputValue()).toBe('90')
    held.PUT!()
    await clean.getByText('7 entries received more than 90 days ago will be erased for good.').waitFor()
    await clean.getByLabel('Number of entries').fill('7')
    const asked = page.waitForRequest('**/cleanup')
    await clean.getByRole('button', { name: 'Erase 7' }).click()
    expect((await asked).postDataJSON()).toEqual({ days: 90 })
    await clean.getByText('7 entries erased.').waitFor()
  }))

  test('what is confirmed is what was counted, whatever is shown behind the dialog meanwhile', () => on('/?last=all&action=seen', at, async (page) => {
    await send([{ action: 'seen', serial: 'role-1', username: 'ann' }], ADMIN_TOKEN!, locked)
    await credentials(page, EVERY_TOKEN!)
    await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBeGreaterThan(0)
    const asked: string[] = []
    await page.route(/activity-logs(\/retention|\/cleanup|\/count|)(\?|$)/, async (route) => {
      const request = route.request()
      const { pathname, searchParams: p } = new URL(request.url())
      const what = pathname.split('/').at(-1)!
      if (what === 'activity-logs' && request.method() === 'GET') return await route.continue()
      const body = request.postDataJSON() as { days: number; confirm?: number } | null
      asked.push([request.method(), what, p.get('tenant'), p.get('action'), p.get('search'), body?.confirm].join(' ').trim())
      await route.fulfill({ json: { success: true, data: { days: 45, count: 7, dryRun: what === 'retention' && body?.confirm === undefined, deletedCount: 7 } } })
    })
    const back = async (): Promise<void> => {
      await page.evaluate(() => history.go(-2))
      await page.waitForURL((u) => !u.searchParams.has('tenant') && !u.searchParams.has('q'))
      await page.locator('[aria-label=Matches]:not(.busy)').waitFor()
    }
    const again = async (): Promise<void> => {
      await page.keyboard.press('Escape')
      await page.evaluate(() => history.go(2))
      await page.waitForURL((u) => u.searchParams.get('tenant') === 'acme' && u.searchParams.get('q') === 'ann')
    }
    await rows(page).first().click()
    await button(page, 'Only tenant acme').click()
    await page.getByRole('searchbox', { name: 'Search' }).fill('ann')
    await page.waitForURL((u) => u.searchParams.get('tenant') === 'acme' && u.searchParams.get('q') === 'ann')

    const erase = await choose(page, 'Erase what is filtered…')
    await erase.getByText('7 entries will be erased for good.').waitFor()
    await back()
    expect(await erase.getByRole('listitem').allInnerTexts()).toEqual(['action = seen', 'search ann', 'tenant = acme', 'All time'])
    await erase.getByLabel('Number of entries').fill('7')
    await erase.getByRole('button', { name: 'Erase 7' }).click()
    await erase.getByText('7 entries erased.').waitFor()
    const changes = (): string[] => asked.splice(0).filter((a) => !a.startsWith('GET'))
    expect(changes()).toEqual(['DELETE activity-logs acme seen ann'])
    await again()

    const keep = await choose(page, 'Retention…')
    await expect.poll(() => keep.getByLabel('Days').inputValue()).toBe('45')
    await back()
    expect(await keep.getByRole('listitem').allInnerTexts()).toEqual(['tenant = acme'])
    await keep.getByLabel('Days').fill('30')
    await keep.getByRole('button', { name: 'Set' }).click()
    await keep.getByLabel('Number of entries').fill('7')
    await keep.getByRole('button', { name: 'Hide 7' }).click()
    await keep.getByText('Entries are visible for 30 days now.').waitFor()
    expect(changes()).toEqual(['PUT retention acme', 'PUT retention acme   7'])
    await again()

    const clean = await choose(page, 'Clean up…')
    await clean.getByText('the retention is 45 days').waitFor()
    await back()
    expect(await clean.getByRole('listitem').allInnerTexts()).toEqual(['tenant = acme'])
    await clean.getByRole('button', { name: 'Count what it erases' }).click()
    await clean.getByLabel('Number of entries').fill('7')
    await clean.getByRole('button', { name: 'Erase 7' }).click()
    await clean.getByText('7 entries erased.').waitFor()
    expect(changes()).toEqual(['PUT retention acme', 'POST cleanup acme'])
  }))

  // OLD_TOKEN's tenant has three entries that were received 5, 20 and 40 days ago.
  test('a shorter retention and a cleanup say how many entries they take, and want that number', () => on('/?last=all', at, async (page) => {
    await credentials(page, OLD_TOKEN!)
    await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBe(3)
    const keep = await choose(page, 'Retention…')
    await expect.poll(() => keep.getByLabel('Days').inputValue()).toBe('45')
    expect(await keep.getByRole('button', { name: 'Set' }).isDisabled()).toBe(true)
    await keep.getByLabel('Days').fill('4000')
    await keep.getByRole('alert').getByText('1 to 3,650').waitFor()
    await keep.getByLabel('Days').fill('60')
    await keep.getByRole('button', { name: 'Set' }).click()
    await keep.getByText('Entries are visible for 60 days now.').waitFor()
    await keep.getByLabel('Days').fill('30')
    await keep.getByRole('button', { name: 'Set' }).click()
    await keep.getByText('1 entry will no longer be visible').waitFor()
    const hide = keep.getByRole('button', { name: 'Hide 1' })
    await keep.getByLabel('Number of entries').fill('2')
    expect(await hide.isDisabled()).toBe(true)
    await keep.getByLabel('Number of entries').fill('1')
    await hide.click()
    await keep.getByText('Entries are visible for 30 days now.').waitFor()
    await page.keyboard.press('Escape')
    await expect.poll(() => total(page)).toBe(2)

    const clean = await choose(page, 'Clean up…')
    await clean.getByText('the retention is 30 days').waitFor()
    await clean.getByRole('button', { name: 'Count what it erases' }).click()
    await clean.getByText('No visible entry was received more than 30 days ago.').waitFor()
    await clean.getByLabel('Days').fill('10')
    await clean.getByRole('button', { name: 'Count what it erases' }).click()
    await clean.getByLabel('Number of entries').fill('1')
    await clean.getByRole('button', { name: 'Erase 1' }).click()
    await clean.getByText('1 entry erased.').waitFor()
    await page.keyboard.press('Escape')
    await expect.poll(() => total(page)).toBe(1)
  }))
})
