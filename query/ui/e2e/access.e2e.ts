import { beforeEach, describe, expect, test } from 'vitest'
import { credentials, locked, on, rows, send, total, type Page } from './serve'

let run = ''
beforeEach(() => { run = Date.now().toString(36) })

describe('sign-in', () => {
  const at = { base: locked, expected: [401] }

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
    await credentials(page, process.env.ADMIN_TOKEN!, true)
    await rows(page).first().waitFor()
    await page.reload()
    await rows(page).first().waitFor()
    await page.getByRole('button', { name: 'More', exact: true }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('API key or token').waitFor()
    await page.reload()
    await page.getByLabel('API key or token').waitFor()
  }))

  test('who signs in next sees nothing of the last one, even if the list cannot be read', () => on(`/?last=all&serial=lock-${run}`, { base: locked, expected: [401, 404, 503] }, async (page) => {
    const secret = `secret-${run}`
    await send([{ action: secret, serial: `lock-${run}`, username: secret }], process.env.ADMIN_TOKEN!, locked)
    await credentials(page, process.env.ADMIN_TOKEN!)
    await expect.poll(async () => { await page.keyboard.press('Control+Enter'); return total(page) }).toBe(1)
    await rows(page).first().click()
    await page.getByRole('complementary', { name: 'Entry' }).getByText(/^Received$/).waitFor()
    await page.getByRole('region', { name: 'Facets' }).getByRole('button', { name: new RegExp(`^actor: ${secret}`) }).waitFor()
    await page.getByRole('button', { name: 'More', exact: true }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('API key or token').waitFor()
    const held: (() => void)[] = []
    await page.route('**/api/v1/activity-logs?*', async (route) => {
      await new Promise<void>((done) => held.push(done))
      await route.fulfill({ status: 503, contentType: 'application/json', body: '{"success":false,"message":"clickhouse is unavailable","meta":{}}' })
    })
    const text = (): Promise<string> => page.evaluate(() => document.documentElement.outerHTML)
    await credentials(page, process.env.EMPTY_TOKEN!)
    await page.getByText('tenant empty').waitFor()
    await expect.poll(() => held.length).toBe(1)
    expect(await text()).not.toContain(secret)
    held[0]!()
    await page.getByRole('alert').getByText('clickhouse is unavailable').waitFor()
    expect(await text()).not.toContain(secret)
  }))

  test('an export ends with the one who asked for it', () => on(`/?last=all&serial=lock-${run}`, at, async (page) => {
    await credentials(page, process.env.ADMIN_TOKEN!)
    const saved: unknown[] = []
    page.on('download', (d) => saved.push(d))
    const held: (() => Promise<void>)[] = []
    await page.route('**/export?*', (route) => { held.push(() => route.fulfill({ contentType: 'text/csv', body: 'id\n' })) })
    await page.getByRole('button', { name: 'Export', exact: true }).click()
    await page.getByRole('button', { name: 'CSV', exact: true }).click()
    await expect.poll(() => held.length).toBe(1)
    await page.getByRole('button', { name: 'More', exact: true }).click()
    const ended = page.waitForEvent('requestfailed', (r) => r.url().includes('/export?'))
    await page.getByRole('button', { name: 'Sign out' }).click()
    expect((await ended).failure()?.errorText).toBe('net::ERR_ABORTED')
    await page.getByLabel('API key or token').waitFor()
    await held[0]!().catch(() => undefined) // nobody waits for it any more
    await credentials(page, process.env.EMPTY_TOKEN!)
    await page.getByText('tenant empty').waitFor()
    await page.getByRole('button', { name: 'Export', exact: true }).click()
    await page.getByRole('button', { name: 'CSV', exact: true }).waitFor()
    expect([await page.getByRole('status', { name: 'Export progress' }).count(), saved]).toEqual([0, []])
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
  test('shows the first command, and turns to the list when an entry arrives', () => on(`/?last=all&tenant=${process.env.FRESH_TENANT}`, { base: locked, expected: [401] }, async (page) => {
    await credentials(page, process.env.EVERY_TOKEN!)
    await page.getByText('Nothing is stored yet.').waitFor()
    await page.getByText('/api/v1/activity_log -d').waitFor()
    await page.getByRole('link', { name: 'API description (OpenAPI)' }).waitFor()
    await send([{ action: 'first' }], process.env.FRESH_TOKEN!, locked)
    await rows(page).filter({ hasText: 'first' }).waitFor()
  }))
})
