// The entries of a listing, as far as they have been read. Pages are read by cursor where the page before is known, and by number
// where the reader jumped; pages that are far from what is shown are forgotten.

import type { API, Item, Page } from './api'
import { paramsOf, type View } from './query'
import type { Bounds } from './time'

export const pageSize = 100

/** How many pages are kept: about 6000 entries. */
const kept = 60

/** A page that is asked for: by cursor, or by number, the first of which is 1. */
export type Ask = (at: { cursor: string } | { page: number }, signal: AbortSignal) => Promise<Page>

export class Rows {
  total = 0
  fault: unknown
  #pages = new Map<number, Item[]>()
  #cursors = new Map<number, string>() // of the page that begins with it
  #running = new Map<number, AbortController>()
  #ask: Ask
  #changed: () => void

  constructor(ask: Ask, changed: () => void) {
    this.#ask = ask
    this.#changed = changed
  }

  /** Reads the first page; the error is the caller's. */
  async begin(signal: AbortSignal): Promise<void> {
    const page = await this.#ask({ page: 1 }, signal)
    this.total = Math.max(page.total, page.items.length)
    this.#put(0, page)
  }

  get(i: number): Item | undefined {
    return this.#pages.get(Math.floor(i / pageSize))?.[i % pageSize]
  }

  indexOf(id: string): number {
    for (const [n, items] of this.#pages) {
      const i = items.findIndex((item) => item.id === id)
      if (i >= 0) return n * pageSize + i
    }
    return -1
  }

  /** Makes sure that the rows from first to last are read, and stops reading rows that are far from them. */
  show(first: number, last: number): void {
    const from = Math.max(0, Math.floor(first / pageSize))
    const to = Math.min(Math.floor(last / pageSize), Math.ceil(this.total / pageSize) - 1)
    for (const [n, running] of this.#running) {
      if (n < from - 1 || n > to + 1) {
        running.abort()
        this.#running.delete(n)
      }
    }
    for (let n = from; n <= to; n++) void this.#read(n)
    this.#forget((from + to) / 2)
  }

  retry(): void {
    this.fault = undefined
    this.#changed()
  }

  stop(): void {
    for (const running of this.#running.values()) running.abort()
    this.#running.clear()
  }

  async #read(n: number): Promise<void> {
    if (this.#pages.has(n) || this.#running.has(n) || this.fault) return
    const running = new AbortController()
    this.#running.set(n, running)
    const cursor = this.#cursors.get(n)
    try {
      const page = await this.#ask(cursor ? { cursor } : { page: n + 1 }, running.signal)
      if (!running.signal.aborted) this.#put(n, page)
    } catch (e) {
      if (!running.signal.aborted) this.fault = e
    } finally {
      if (this.#running.get(n) === running) this.#running.delete(n)
      if (!running.signal.aborted) this.#changed()
    }
  }

  #put(n: number, page: Page): void {
    this.#pages.set(n, page.items)
    if (page.next) this.#cursors.set(n + 1, page.next)
    if (page.items.length < pageSize && n * pageSize + page.items.length < this.total) {
      this.total = n * pageSize + page.items.length // entries were erased meanwhile
    }
  }

  #forget(around: number): void {
    if (this.#pages.size <= kept) return
    const far = [...this.#pages.keys()].sort((a, b) => Math.abs(b - around) - Math.abs(a - around))
    for (const n of far.slice(0, this.#pages.size - kept)) this.#pages.delete(n)
  }
}

/** What a view asks for. */
export function rowsOf(api: API, view: View, bounds: Bounds, changed: () => void): Rows {
  const base = paramsOf(view, bounds)
  base.set('pageSize', String(pageSize))
  if (view.oldest) base.set('sort', 'createdAt:asc')
  return new Rows((at, signal) => {
    const p = new URLSearchParams(base)
    for (const [name, value] of Object.entries(at)) p.set(name, String(value))
    return api.list(p, signal)
  }, changed)
}
