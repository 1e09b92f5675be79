// What the page shows: one view, the entries that it asks for, and all that stands beside them. The page is drawn anew after each
// change; changes of one moment are drawn together.

import { aborted, API, Fault, type Item, type Status } from './api'
import { readBars, type Bars } from './bars'
import { whyEmpty, type Empty } from './empty'
import { Facets } from './facets'
import { Live } from './live'
import { blank, fixed, fromQuery, paramsOf, sameEntries, toQuery, type View } from './query'
import { pageSize, Rows } from './rows'
import { boundsOf, endsNow, type Bounds } from './time'
import { Watch } from './watch'

/** The most live entries above the list; beyond it the list is loaded again. */
const mostFresh = 2000

export interface Loaded<T> {
  value?: T
  fault?: unknown
  busy: boolean
}

export class Explorer {
  readonly api = new API()
  readonly facets = new Facets(this.api, () => this.changed())
  readonly live = new Live(this.api, (items) => this.#arrived(items), () => void this.#catchUp(), () => this.changed())
  readonly watch = new Watch(this.api, () => this.changed())

  view: View = fromQuery(location.search)
  bounds: Bounds = {}
  now = Date.now() // of the last run
  rows: Rows | undefined // of the last run that succeeded
  fresh: Item[] = [] // live ones above the rows
  late = 0 // live ones that belong among the rows
  busy = true
  fault: unknown
  took = 0
  runs = 0 // counts lists: a new one begins at its top
  bars: Loaded<Bars> = { busy: true }
  empty: Empty | undefined
  entry: Loaded<Item> = { busy: false }
  signIn = false // credentials are needed
  caller: Status | undefined
  unknown = false // the service did not say who the caller is

  #run: AbortController | undefined
  #opening: AbortController | undefined
  #listeners = new Set<() => void>()
  #drawing = false
  #poll: ReturnType<typeof setTimeout> | undefined
  #tailed = '' // what the tail follows

  constructor() {
    addEventListener('popstate', () => this.#restore())
  }

  start(): void {
    void this.identify()
    this.watch.start()
    void this.run()
    this.#open(this.view.entry)
  }

  subscribe(f: () => void): () => void {
    this.#listeners.add(f)
    return () => this.#listeners.delete(f)
  }

  changed(): void {
    if (this.#drawing) return
    this.#drawing = true
    queueMicrotask(() => {
      this.#drawing = false
      for (const f of this.#listeners) f()
    })
  }

  /** Goes to another view. A step can be taken back with the browser's button, unless it replaces the one before. */
  go(change: Partial<View>, replace = false): void {
    const before = this.view
    this.view = { ...before, ...change }
    const address = location.pathname + toQuery(this.view)
    if (replace) history.replaceState(null, '', address)
    else if (address !== location.pathname + location.search) history.pushState(null, '', address)
    this.#follow(before)
  }

  #restore(): void {
    const before = this.view
    this.view = fromQuery(location.search)
    this.#follow(before)
  }

  #follow(before: View): void {
    if (!sameEntries(before, this.view)) void this.run()
    else if (before.by !== this.view.by || before.local !== this.view.local) void this.#count()
    if (before.entry !== this.view.entry) this.#open(this.view.entry)
    this.changed()
  }

  get params(): URLSearchParams {
    return paramsOf(this.view, this.bounds)
  }

  /** Reads everything that the view asks for. What was shown stays until the list is there. */
  async run(): Promise<void> {
    this.#run?.abort()
    clearTimeout(this.#poll)
    const run = (this.#run = new AbortController())
    this.facets.stop()
    this.now = Date.now()
    this.bounds = boundsOf(this.view.span, this.now)
    this.busy = true
    this.bars = { ...this.bars, busy: true }
    this.#follows()
    this.changed()
    const began = performance.now()
    const rows = this.#newRows()
    try {
      await rows.begin(run.signal)
    } catch (e) {
      if (run.signal.aborted || aborted(e)) return
      this.#failed(e)
      return
    }
    if (run.signal.aborted) return
    this.rows?.stop()
    this.rows = rows
    this.took = performance.now() - began
    this.runs++
    this.busy = false
    this.fault = undefined
    this.signIn = false
    this.fresh = []
    this.late = 0
    this.empty = undefined
    this.changed()
    if (rows.total === 0) void this.#explain(run.signal)
    void this.#count()
    void this.facets.load(this.view, this.bounds)
  }

  #newRows(): Rows {
    const base = paramsOf(this.view, this.bounds)
    base.set('pageSize', String(pageSize))
    if (this.view.oldest) base.set('sort', 'createdAt:asc')
    return new Rows((at, signal) => {
      const p = new URLSearchParams(base)
      for (const [name, value] of Object.entries(at)) p.set(name, String(value))
      return this.api.list(p, signal)
    }, () => this.changed())
  }

  #failed(e: unknown): void {
    this.busy = false
    this.signIn = e instanceof Fault && e.status === 401
    this.fault = e
    this.changed()
  }

  async #explain(signal: AbortSignal): Promise<void> {
    try {
      const empty = await whyEmpty(this.api, this.view, this.bounds, signal)
      if (signal.aborted) return
      this.empty = empty
      if (empty.fresh) this.#poll = setTimeout(() => void this.#awaitFirst(signal), 1500)
    } catch {
      // The list itself has answered: it is empty, for a reason that is not known.
    }
    this.changed()
  }

  /** Turns to the list when the first entry arrives. */
  async #awaitFirst(signal: AbortSignal): Promise<void> {
    let n = 0
    try {
      n = await this.api.count(paramsOf({ ...blank, tenant: this.view.tenant }, {}), signal)
    } catch {
      // asked again
    }
    if (signal.aborted) return
    if (n > 0) await this.run()
    else this.#poll = setTimeout(() => void this.#awaitFirst(signal), document.hidden ? 10_000 : 1500)
  }

  async #count(): Promise<void> {
    const signal = this.#run!.signal
    const asked = this.view
    this.bars = { ...this.bars, busy: true }
    this.changed()
    try {
      const value = await readBars(this.api, this.params, asked.by, this.bounds, this.now, asked.local, signal)
      if (signal.aborted || this.view.by !== asked.by || this.view.local !== asked.local) return
      this.bars = { value, busy: false }
    } catch (e) {
      if (signal.aborted || aborted(e)) return
      this.bars = { fault: e, busy: false }
    }
    this.changed()
  }

  /** The open entry: one of the list, or one that has to be read. */
  #open(id: string): void {
    this.#opening?.abort()
    const opening = (this.#opening = new AbortController())
    const known = this.fresh.find((item) => item.id === id) ?? this.itemAt(this.indexOf(id))
    this.entry = { value: known, busy: id !== '' && !known }
    if (!this.entry.busy) return
    this.api.one(id, this.view.tenant, opening.signal).then(
      (value) => !opening.signal.aborted && (this.entry = { value, busy: false }),
      (fault: unknown) => !opening.signal.aborted && (this.entry = { fault, busy: false }),
    ).finally(() => this.changed())
  }

  // The list as it is shown: live entries, then the rows.

  get total(): number {
    return (this.rows?.total ?? 0) + this.fresh.length
  }

  itemAt(i: number): Item | undefined {
    return i < 0 ? undefined : i < this.fresh.length ? this.fresh[i] : this.rows?.get(i - this.fresh.length)
  }

  indexOf(id: string): number {
    if (!id) return -1
    const i = this.fresh.findIndex((item) => item.id === id)
    if (i >= 0) return i
    const row = this.rows?.indexOf(id) ?? -1
    return row < 0 ? -1 : row + this.fresh.length
  }

  show(first: number, last: number): void {
    this.rows?.show(first - this.fresh.length, last - this.fresh.length)
  }

  // The live tail.

  get canFollow(): boolean {
    return endsNow(this.view.span)
  }

  toggleLive(): void {
    if (this.live.state !== 'off') {
      this.live.stop()
      this.changed()
      return
    }
    if (!this.canFollow) return
    if (this.view.oldest) this.go({ oldest: false })
    this.#startLive()
  }

  #startLive(): void {
    const params = paramsOf(this.view, {})
    this.#tailed = String(params)
    this.live.start(params)
    this.changed()
  }

  /** The tail follows what the view asks for. */
  #follows(): void {
    if (this.live.state === 'off') return
    if (!this.canFollow || this.view.oldest) this.live.stop()
    else if (this.#tailed !== String(paramsOf(this.view, {}))) this.#startLive()
  }

  /** Reads what was stored between the list and the beginning of the tail. */
  async #catchUp(): Promise<void> {
    const p = this.params
    p.set('pageSize', String(pageSize))
    try {
      this.#arrived((await this.api.list(p, this.#run!.signal)).items)
    } catch {
      // the tail goes on
    }
  }

  resume(): void {
    if (this.live.resume()) void this.run()
  }

  #arrived(items: Item[]): void {
    const top = this.rows?.get(0)
    const known = new Set(this.fresh.slice(0, 2 * mostFresh).map((item) => item.id))
    for (let i = 0; i < pageSize; i++) known.add(this.rows?.get(i)?.id ?? '')
    const news = items.filter((item) => !known.has(item.id))
    const above = news.filter((item) => !top || newer(item, top) > 0)
    this.late += news.length - above.length
    this.fresh = [...above, ...this.fresh].sort((a, b) => newer(b, a))
    if (this.fresh.length > mostFresh) void this.run()
    else this.empty = this.fresh.length > 0 ? undefined : this.empty
    this.changed()
  }

  // Who asks.

  async identify(): Promise<void> {
    try {
      this.caller = await this.api.status()
      this.unknown = false
    } catch {
      this.caller = undefined
      this.unknown = true
    }
    this.changed()
  }

  /** Actions that the caller may not do are not offered. If the service does not say what is allowed, all are offered. */
  may(scope: string): boolean {
    return this.caller?.scopes.includes(scope) ?? this.unknown
  }

  /** Exports are for administrators, and for analysts, who read everything of their tenant. */
  get mayExport(): boolean {
    return this.may('admin') || (this.caller?.roles.some((r) => r.toLowerCase() === 'analyst') ?? false)
  }

  async sign(token: string, keep: boolean): Promise<void> {
    this.api.sign(token, keep)
    this.live.stop()
    await this.identify()
    await this.run()
  }

  askSignIn(): void {
    this.signIn = true
    this.changed()
  }

  /** A link that shows the same later. */
  link(entry = ''): string {
    return location.origin + location.pathname + toQuery({ ...fixed(this.view, this.now), entry })
  }
}

/** Above 0 if a comes before b in a list with the newest first. */
function newer(a: Item, b: Item): number {
  return Date.parse(a.createdAt) - Date.parse(b.createdAt) || (a.id > b.id ? 1 : a.id < b.id ? -1 : 0)
}
