// Takes the pictures of README.md from a running system: explorer-light.webp and explorer-dark.webp beside this file. make pictures
// builds the programs and calls it.

import { writeFileSync } from 'node:fs'
import { browse, fill, send, serve, stories } from './system.mjs'

const most = 150_000 // bytes of a picture

const system = await serve()
const browser = await browse()
try {
  await fill(system.url, 200_000)
  await send(system.url, stories(Date.now()))
  for (const colorScheme of ['light', 'dark']) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme, reducedMotion: 'reduce' })
    const page = await context.newPage()
    await page.goto(`${system.url}/?last=7d&platform!=reddit`)
    const row = page.getByRole('row').filter({ hasText: 'limit_change' })
    await row.click()
    await page.getByRole('complementary', { name: 'Entry' }).getByRole('table', { name: 'Changes' }).waitFor()
    await page.waitForFunction(() => !document.querySelector('.busy') && document.querySelectorAll('.facet .f').length > 20)
    await page.mouse.move(720, 60)
    const { data } = await (await context.newCDPSession(page)).send('Page.captureScreenshot', { format: 'webp', quality: 82 })
    const picture = Buffer.from(data, 'base64')
    if (picture.length > most) throw new Error(`The ${colorScheme} picture has ${picture.length} bytes, more than ${most}.`)
    writeFileSync(new URL(`explorer-${colorScheme}.webp`, import.meta.url), picture)
    await context.close()
  }
} finally {
  await browser.close()
  await system.stop()
}
