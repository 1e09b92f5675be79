import { describe, expect, test } from 'vitest'
import type { API, Status } from '../src/api'
import { Caller } from '../src/caller'

const who = (roles: string[], scopes: string[], tenant = 'acme') => ({ tenant, subject: 'ada', roles, scopes }) as unknown as Status

async function caller(status: Status | undefined): Promise<Caller> {
  const c = new Caller({ status: async () => status ?? Promise.reject(new Error('away')) } as unknown as API)
  await c.identify()
  return c
}

describe('what the service allows is offered, and nothing else', () => {
  test.each([
    { name: 'ADMIN', status: who(['ADMIN'], ['ingest', 'read', 'delete', 'admin']), rights: [true, true, true] },
    { name: 'in any case', status: who(['Admin'], ['read', 'admin']), rights: [true, true, true] },
    { name: 'ADMIN with the scope read', status: who(['ADMIN'], ['read']), rights: [true, false, false] },
    { name: 'ADMIN with the scope ingest', status: who(['ADMIN'], ['ingest']), rights: [false, false, false] },
    { name: 'Analyst', status: who(['analyst'], ['read']), rights: [true, true, false] },
    { name: 'Analyst with the scope admin', status: who(['Analyst'], ['read', 'admin']), rights: [true, true, false] },
    { name: 'TenantAdmin', status: who(['TenantAdmin'], ['ingest', 'read', 'delete']), rights: [false, false, false] },
    { name: 'none', status: who([], ['ingest', 'read']), rights: [false, false, false] },
    { name: 'unknown', status: undefined, rights: [true, true, true] },
  ])('$name', async ({ status, rights }) => {
    const c = await caller(status)
    expect([c.reads, c.exports, c.administers]).toEqual(rights)
  })

  test('all tenants', async () => {
    expect([(await caller(who(['ADMIN'], ['read'], '*'))).everywhere, (await caller(who(['ADMIN'], ['read']))).everywhere]).toEqual([true, false])
  })
})
