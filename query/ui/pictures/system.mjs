// A running system with entries, and a browser, for pictures of the explorer.

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const bin = new URL('../../../bin/', import.meta.url).pathname

export const secret = 'only-for-pictures-0123456789-0123456789'

/** Starts standalone on a free port, with its data in a temporary folder. */
export async function serve(env = {}) {
  const address = `127.0.0.1:${await freePort()}`
  const data = mkdtempSync(join(tmpdir(), 'activitylog-pictures-'))
  const process_ = spawn(join(bin, 'standalone'), { env: { ...process.env, HTTP_ADDR: address, DATA_DIR: data, ...env }, stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = new Promise((done) => process_.once('exit', done))
  const url = `http://${address}`
  await until(async () => (await fetch(`${url}/readyz`)).ok)
  return {
    url,
    stop: async () => {
      process_.kill('SIGTERM')
      await ended
      rmSync(data, { recursive: true, force: true })
    },
  }
}

/** Sends so many entries of the workload's 30 days. */
export async function fill(url, count) {
  await run('loadgen', ['send', '--url', url, '--count', String(count)])
  await until(async () => (await (await fetch(`${url}/api/v1/activity_log/count`)).json()).data.count >= count)
}

export async function send(url, entries, token = '') {
  const res = await fetch(`${url}/api/v1/activity-logs/batch`, {
    method: 'POST', headers: { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) }, body: JSON.stringify(entries),
  })
  if (!res.ok) throw new Error(`${res.status} ${await res.text()}`)
}

/** A token for a service with AUTH=jwt and our secret. */
export const token = (tenant, role) => run('activityctl', ['token', '--tenant', tenant, '--role', role, '--sub', 'ada'], { JWT_SECRET: secret })

export function browse() {
  const path = ['/usr/bin/chromium', '/usr/bin/chromium-browser', process.env.CHROMIUM ?? ''].find((p) => p && existsSync(p))
  if (!path) throw new Error('Chromium is missing: install it, or set CHROMIUM to its path.')
  return chromium.launch({ executablePath: path, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })
}

/** What happened in an office, for entries with changes and targets. */
export function stories(now) {
  const ago = (minutes) => new Date(now - minutes * 60_000).toISOString()
  const ana = { id: 'u-1007', username: 'ana', name: 'Ana Ruiz', kind: 'ADMIN' }
  const raj = { id: 'u-1031', username: 'raj', name: 'Raj Patel', kind: 'SUPPORT' }
  return [
    { action: 'limit_change', user: ana, targetType: 'ACCOUNT', targetId: 'acc-5521', targetName: 'Corner Café', timestamp: ago(2), platform: 'instagram', serial: 'SN-1000007', requestId: 'req-7f3a91', ipAddress: '192.0.2.180', layer: 'api', detail: 'Limit raised after a call with the owner', details: { changes: { dailyLimit: { old: 10_000, new: 50_000 }, currency: { old: 'EUR', new: 'USD' }, approvedBy: { old: null, new: 'raj' } } } },
    { action: 'device_assign', user: raj, targetType: 'DEVICE', targetId: 'SN-1000012', timestamp: ago(7), platform: 'tiktok', serial: 'SN-1000012', requestId: 'req-7f3a12', detail: 'Assigned to the team in Lisbon', details: { before: { team: 'Porto', room: '2.11' }, after: { team: 'Lisbon', room: '2.11' } } },
    { action: 'login', user: ana, timestamp: ago(9), platform: 'x', serial: 'SN-1000007', ipAddress: '192.0.2.180', detail: 'Signed in with a passkey' },
    { action: 'role_grant', user: ana, targetType: 'USER', targetId: 'u-1031', targetName: 'Raj Patel', timestamp: ago(14), detail: 'Support may now assign devices', details: { changes: [{ field: 'scopes', old: ['read'], new: ['read', 'delete'] }] } },
  ]
}

function run(name, args, env = {}) {
  return new Promise((done, fail) => {
    const child = spawn(join(bin, name), args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (text) => (out += text))
    child.once('error', fail)
    child.once('exit', (code) => (code === 0 ? done(out.trim()) : fail(new Error(`${name} ${args.join(' ')}: exit ${code}`))))
  })
}

export async function until(ready, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; ; await new Promise((done) => setTimeout(done, 200))) {
    try {
      if (await ready()) return
    } catch (e) {
      if (Date.now() > end) throw e
    }
    if (Date.now() > end) throw new Error('It is not ready in time.')
  }
}

const freePort = () => new Promise((done) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => done(port))
  })
})
