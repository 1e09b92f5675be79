// The public API, as far as the page needs it: schema/openapi.yaml has the whole of it.

import type { JSONValue } from './change'

export interface Item {
  id: string
  userId: string | null
  user: { id: string | null; username: string | null; name: string | null; role: string | null } | null
  action: string
  targetType: string | null
  targetId: string | null
  details: { [name: string]: JSONValue } | null
  ipAddress: string | null
  userAgent: string | null
  layer: string | null
  requestId: string | null
  createdAt: string
  receivedAt?: string // where an entry is read alone
  platform?: string
  serial?: string
  username?: string
  targets?: { type: string; id: string; name: string | null }[]
  tenant?: string
}

export interface Page {
  items: Item[]
  total: number
  next: string | null
}

/** An entry and its neighbours, on each side the nearest first. */
export interface Around {
  entry: Item
  earlier: Side
  later: Side
}

export interface Side {
  items: Item[]
  nextCursor: string | null
}

export interface Group {
  bucket?: string
  value?: string
  count: number
}

export interface Stats {
  total: number
  groups: Group[]
  other: number
}

/** The caller's identity, and the state of the service. */
export interface Status {
  tenant: string
  subject: string
  roles: string[]
  scopes: string[]
  receivedToday: number | null
  behindRecords: number | null
  kafka: boolean
  clickhouse: boolean
}

export interface Health {
  status: string
  checks: { name: string; ready: boolean; reason?: string }[]
}

/** A request that failed. Status 0: there was no answer. */
export class Fault extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly requestId: string,
    readonly retryAfter?: number,
  ) {
    super(message)
  }
}

export const aborted = (e: unknown): boolean => e instanceof DOMException && e.name === 'AbortError'

export const root = '/api/v1/activity-logs'

/** Sends requests with the credential, if there is one. It is kept in memory, and in sessionStorage if the user wishes. */
export class API {
  #token = sessionStorage.getItem(tokenKey) ?? ''

  get signedIn(): boolean {
    return this.#token !== ''
  }

  sign(token: string, keep: boolean): void {
    this.#token = token
    if (keep && token) sessionStorage.setItem(tokenKey, token)
    else sessionStorage.removeItem(tokenKey)
  }

  async list(p: URLSearchParams, signal: AbortSignal): Promise<Page> {
    const { data, meta } = (await this.#json(`${root}?${p}`, { signal })) as { data: Item[]; meta: { totalItems: number; nextCursor: string | null } }
    return { items: data, total: meta.totalItems, next: meta.nextCursor }
  }

  async one(id: string, tenant: string, signal: AbortSignal): Promise<Item> {
    return await this.#data<Item>(`${root}/${encodeURIComponent(id)}${of(tenant)}`, { signal })
  }

  async around(id: string, p: URLSearchParams, signal: AbortSignal): Promise<Around> {
    return await this.#data<Around>(`${root}/${encodeURIComponent(id)}/around?${p}`, { signal })
  }

  async stats(p: URLSearchParams, signal: AbortSignal): Promise<Stats> {
    return await this.#data<Stats>(`${root}/stats?${p}`, { signal })
  }

  async count(p: URLSearchParams, signal?: AbortSignal): Promise<number> {
    return (await this.#data<{ count: number }>(`${root}/count?${p}`, { signal })).count
  }

  async status(signal?: AbortSignal): Promise<Status> {
    return await this.#data<Status>('/api/v1/status', { signal })
  }

  async erase(p: URLSearchParams): Promise<number> {
    return (await this.#data<{ deletedCount: number }>(`${root}?${p}`, { method: 'DELETE' })).deletedCount
  }

  async retention(tenant: string): Promise<number> {
    return (await this.#data<{ days: number }>(`${root}/retention${of(tenant)}`, {})).days
  }

  /** Without confirm, nothing changes if visible entries would expire. Returns how many do, or would. */
  async setRetention(days: number, how: { dryRun: true } | { confirm: number }, tenant: string): Promise<{ dryRun: boolean; deletedCount: number }> {
    return await this.#data(`${root}/retention${of(tenant)}`, { method: 'PUT', ...jsonBody({ days, ...how }) })
  }

  async cleanup(days: number, tenant: string): Promise<number> {
    return (await this.#data<{ deletedCount: number }>(`${root}/cleanup${of(tenant)}`, { method: 'POST', ...jsonBody({ days }) })).deletedCount
  }

  /** The answer is 503 with the same body while something is not ready. */
  async health(signal?: AbortSignal): Promise<Health> {
    return (await (await fetch('/readyz', { signal, cache: 'no-store' })).json()) as Health
  }

  /** A body that is read piece by piece: an export or a stream. */
  async open(path: string, signal: AbortSignal, headers: Record<string, string> = {}): Promise<ReadableStream<Uint8Array>> {
    const res = await this.#send(path, { signal, headers })
    return res.body!
  }

  async #data<T>(path: string, init: RequestInit): Promise<T> {
    return ((await this.#json(path, init)) as { data: T }).data
  }

  async #json(path: string, init: RequestInit): Promise<unknown> {
    const res = await this.#send(path, init)
    try {
      return await res.json()
    } catch (e) {
      if (aborted(e)) throw e
      throw new Fault(0, 'The answer broke off.', res.headers.get('X-Request-Id') ?? '')
    }
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.#token) headers.set('Authorization', `Bearer ${this.#token}`)
    let res: Response
    try {
      res = await fetch(path, { cache: 'no-store', credentials: 'omit', ...init, headers })
    } catch (e) {
      if (aborted(e)) throw e
      throw new Fault(0, 'The service does not answer.', '')
    }
    if (res.ok) return res
    throw await faultOf(res)
  }
}

const of = (tenant: string): string => (tenant ? `?${new URLSearchParams({ tenant })}` : '')

const tokenKey = 'activitylog.token'

const jsonBody = (v: unknown): RequestInit => ({ headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(v) })

async function faultOf(res: Response): Promise<Fault> {
  let message = `The service answered ${res.status}.`
  try {
    const body = (await res.json()) as { message?: string }
    if (body.message) message = body.message
  } catch {
    // a proxy's page
  }
  const retry = Number(res.headers.get('Retry-After'))
  return new Fault(res.status, message, res.headers.get('X-Request-Id') ?? '', retry > 0 ? retry : undefined)
}
