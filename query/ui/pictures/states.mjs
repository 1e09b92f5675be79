// Takes a picture of every state of the explorer in every size, light and dark, into the folder that is named: for people who change it. make
// pictures STATES=<folder> calls it. ONLY=<text> takes the states whose names contain it; URL=<address> uses a service that runs.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { browse, fill, secret, send, serve, stories, token } from './system.mjs'

const folder = process.argv[2]
const only = process.env.ONLY ?? ''
const sizes = [[1440, 900], [900, 700], [390, 844]]
const schemes = ['light', 'dark']

const rows = (page) => page.locator('[role=grid] .row:not(.head):not(.ghost)')
const button = (page, name) => page.getByRole('button', { name, exact: true })
const settled = (page) => page.waitForFunction(() => !document.querySelector('.busy'))
const open = async (page, tab) => {
  await page.getByRole('row').filter({ hasText: 'limit_change' }).click()
  if (tab) await page.getByRole('tab', { name: tab }).click()
  if (tab === 'Around') await page.locator('li.this').waitFor()
}
const more = async (page, item) => {
  await button(page, 'More').click()
  await button(page, item).click()
}
const events = (...all) => (route) => route.fulfill({ contentType: 'text/event-stream', body: all.join('') })
const signIn = (key) => async (page) => {
  await page.getByLabel('API key or token').fill(key)
  await button(page, 'Sign in').click()
}

/** The states: name, address, and what to do there. route answers requests before the page opens. */
function states(keys) {
  const list = '/?last=7d'
  return [
    { name: 'list', at: `${list}&platform!=reddit&action=post`, do: (page) => rows(page).first().waitFor() },
    { name: 'list-compact', at: list, do: async (page) => { await rows(page).first().waitFor(); await button(page, 'More').click(); await button(page, 'Compact').click(); await button(page, 'Relative').click(); await page.keyboard.press('Escape') } },
    { name: 'search', at: `${list}&q="live stream" proxy`, do: (page) => rows(page).first().waitFor() },
    { name: 'nothing', at: `${list}&action=post&platform=nowhere&q=video`, do: (page) => page.locator('.ways').waitFor() },
    { name: 'error', at: list, route: ['**/api/v1/activity-logs?*', (r) => r.fulfill({ status: 503, headers: { 'X-Request-Id': '6f1c7a90-1', 'Retry-After': '1', 'Content-Type': 'application/json' }, body: '{"success":false,"message":"ClickHouse is unavailable","meta":{}}' })], do: (page) => page.getByRole('alert').waitFor() },
    { name: 'error-later', at: list, do: async (page) => { await rows(page).first().waitFor(); await page.route('**/api/v1/activity-logs?*', (r) => r.abort()); await page.keyboard.press('Control+Enter'); await page.getByRole('alert').waitFor() } },
    { name: 'loading', at: list, route: ['**/api/v1/activity-logs**', () => undefined], do: (page) => page.waitForTimeout(700) },
    { name: 'entry', at: list, do: (page) => open(page) },
    { name: 'entry-json', at: list, do: (page) => open(page, 'JSON') },
    { name: 'entry-around', at: list, do: (page) => open(page, 'Around') },
    { name: 'entry-gone', at: `${list}&entry=00000000-0000-8fff-8000-00000000616c`, do: (page) => page.getByRole('complementary', { name: 'Entry' }).getByRole('alert').waitFor() },
    { name: 'live', at: list, do: async (page) => { await rows(page).first().waitFor(); await page.keyboard.press('l'); await page.locator('.live.on:not(.joining)').waitFor() } },
    { name: 'live-paused', at: list, do: livePaused },
    { name: 'live-gap', at: list, route: ['**/stream?*', events('id: 0:1\n\n', 'event: end\ndata: {"reason":"too slow"}\n\n')], do: async (page) => { await rows(page).first().waitFor(); await page.keyboard.press('l'); await page.locator('.notice').first().waitFor() } },
    { name: 'export', at: list, do: async (page) => { await rows(page).first().waitFor(); await button(page, 'Export').click(); await button(page, 'NDJSON').click(); await page.getByText(/^Saved/).waitFor() } },
    { name: 'help', at: list, do: async (page) => { await rows(page).first().waitFor(); await page.keyboard.press('?') } },
    { name: 'window', at: list, do: async (page) => { await rows(page).first().waitFor(); await page.keyboard.press('t') } },
    { name: 'add-filter', at: list, do: async (page) => { await rows(page).first().waitFor(); await button(page, 'Add filter').click(); await page.getByRole('list', { name: 'Values' }).waitFor() } },
    { name: 'more', at: list, do: async (page) => { await rows(page).first().waitFor(); await button(page, 'More').click(); await page.getByLabel('Name of the view').fill('Posts of the week'); await button(page, 'Save').click() } },
    { name: 'erase', at: `${list}&action=limit_change`, do: async (page) => { await rows(page).first().waitFor(); await more(page, 'Erase what is filtered…'); await page.getByLabel('Number of entries').waitFor() } },
    { name: 'retention', at: list, do: async (page) => { await rows(page).first().waitFor(); await more(page, 'Retention…'); await page.waitForTimeout(300) } },
    { name: 'cleanup', at: list, do: async (page) => { await rows(page).first().waitFor(); await more(page, 'Clean up…'); await page.waitForTimeout(300) } },
    { name: 'facets', at: `${list}&action!=post`, do: async (page) => { await rows(page).first().waitFor(); if (await button(page, 'Facets').isVisible()) await button(page, 'Facets').click(); await button(page, 'Find action').click(); await page.getByLabel('Find action').fill('o') ; await settled(page) } },
    { name: 'sign-in', locked: true, at: '/', do: (page) => page.getByLabel('API key or token').waitFor() },
    { name: 'sign-in-refused', locked: true, at: '/', do: async (page) => { await signIn('nonsense')(page); await page.getByRole('alert').waitFor() } },
    { name: 'fresh', locked: true, at: '/', do: async (page) => { await signIn(keys.fresh)(page); await page.getByText('Nothing is stored yet.').waitFor() } },
    { name: 'role-admin', locked: true, at: '/', do: async (page) => { await signIn(keys.ADMIN)(page); await rows(page).first().waitFor(); await button(page, 'More').click() } },
    { name: 'role-analyst', locked: true, at: '/', do: async (page) => { await signIn(keys.Analyst)(page); await rows(page).first().waitFor(); await button(page, 'More').click() } },
    { name: 'role-reader', locked: true, at: '/', do: async (page) => { await signIn(keys.Reader)(page); await page.getByRole('alert').waitFor() } },
    { name: 'role-everywhere', locked: true, at: '/?last=all', do: async (page) => { await signIn(keys.every)(page); await rows(page).first().waitFor(); await rows(page).first().click() } },
  ]
}

async function livePaused(page, url) {
  await rows(page).first().waitFor()
  await page.keyboard.press('l')
  await page.locator('.live.on:not(.joining)').waitFor()
  await page.locator('.grid').evaluate((el) => { el.scrollTop = 400 })
  await button(page, 'Paused · Resume').waitFor()
  await send(url, Array.from({ length: 37 }, (_, i) => ({ action: 'ping', serial: `SN-${i}` })))
  await button(page, '37 new · Resume').waitFor()
}

const system = await serve()
const locked = await serve({ AUTH: 'jwt', JWT_SECRET: secret })
const browser = await browse()
const failed = []
try {
  const keys = { ADMIN: await token('acme', 'ADMIN'), Analyst: await token('acme', 'Analyst'), Reader: await token('acme', 'Reader'), every: await token('*', 'ADMIN'), fresh: await token('fresh', 'ADMIN') }
  await fill(system.url, Number(process.env.COUNT ?? 200_000))
  await send(system.url, stories(Date.now()))
  await send(locked.url, stories(Date.now()), keys.ADMIN)
  mkdirSync(folder, { recursive: true })
  for (const s of states(keys).filter((s) => s.name.includes(only))) {
    for (const [width, height] of sizes) {
      for (const colorScheme of schemes) {
        const context = await browser.newContext({ viewport: { width, height }, colorScheme, acceptDownloads: true })
        const page = await context.newPage()
        page.setDefaultTimeout(8000)
        if (s.route) await page.route(...s.route)
        const name = `${s.name}-${width}-${colorScheme}`
        try {
          await page.goto((s.locked ? locked : system).url + s.at)
          await s.do(page, system.url)
          if (!['loading', 'error', 'live-gap'].includes(s.name)) await settled(page)
          await page.waitForTimeout(450)
        } catch (e) {
          failed.push(`${name}: ${String(e).split('\n')[0]}`)
        }
        await page.screenshot({ path: join(folder, `${name}.png`) })
        await context.close()
      }
    }
  }
} finally {
  await browser.close()
  await Promise.all([system.stop(), locked.stop()])
}
if (failed.length > 0) throw new Error(failed.join('\n'))
