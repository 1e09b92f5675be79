// What the page shows: one view, the entries that it asks for, and all that stands beside them. The page is drawn anew after each
// change; changes of one moment are drawn together.

import { aborted, API, Fault, type Item } from './api'
import { Caller } from './caller'
import { Counts } from './counts'
import { Emptiness } from './empty'
import { Facets } from './facets'
import { Arriving, List } from './list'
import { Live } from './live'
import { keepLook, readLook, type Look } from './look'
import { Opened } from './opened'
import { fixed, fromQuery, paramsOf, sameEntries, toQuery, type View } from './query'
import { pageSize, rowsOf } from './rows'
import { boundsOf, endsNow, type Bounds } from './time'
import { Watch } from './watch'

/** So long after the list was read, live entries may be in it already. */
const settling = 2000

/** How long a list with more live entries than it holds waits before it is read anew. */
const foldAfter = 3000

export class Explorer {
  readonly api = new API()
  readonly caller = new Caller(this.api)
  readonly list = new List()
  readonly opened = new Opened(this.api, () => this.changed())
  readonly bars = new Counts(this.api, () => this.changed())
  readonly empty = new Emptiness(this.api, () => this.changed(), () => void this.run())
  readonly facets = new Facets(this.api, () => this.changed())
  readonly live = new Live(this.api, (items) => this.#arrived(items), () => this.#tailBegan(), () => this.changed())
  readonly watch = new Watch(this.api, () => this.changed())

  view: View = fromQuery(location.search)
  bounds: Bounds = {}
  now = Date.now() // of the last run
  busy = true
  fault: unknown
  took = 0
  runs = 0 // counts lists: a new one begins at its top
  look: Look = readLook()
  signIn = false // credentials are needed

  #run: AbortController | undefined
  #arriving = new Arriving() // live entries since the run began
  #anew = false // the list is to be read when the tail begins
  #listed = 0 // when the list was read, by performance.now
  #unsure = false // entries arrived that the list may lack
  #fold: ReturnType<typeof setTimeout> | undefined
  #listeners = new Set<() => void>()
  #drawing = false
  #tailed = '' // what the tail follows

  constructor() {
    addEventListener('popstate', () => this.#restore())
  }

  async start(): Promise<void> {
    this.watch.start()
    const known = this.identify()
    if (this.api.signedIn) await known
    if (!this.caller.reads) return
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
    else if (before.by !== this.view.by || before.local !== this.view.local) this.#count()
    if (before.entry !== this.view.entry) this.#open(this.view.entry)
    this.changed()
  }

  get params(): URLSearchParams {
    return paramsOf(this.view, this.bounds)
  }

  /** Reads everything that the view asks for. What was shown stays until the list is there. */
  async run(): Promise<void> {
    this.#halt()
    const run = (this.#run = new AbortController())
    this.facets.stop()
    this.now = Date.now()
    this.bounds = boundsOf(this.view.span, this.now)
    this.busy = true
    this.bars.busy = true
    this.#follows()
    this.changed()
    const began = performance.now()
    const rows = rowsOf(this.api, this.view, this.bounds, () => this.changed())
    try {
      await rows.begin(run.signal)
    } catch (e) {
      if (!run.signal.aborted && !aborted(e)) this.#failed(e)
      return
    }
    if (run.signal.aborted) return
    this.#unsure = this.list.begin(rows, this.#arriving.items) > 0 || this.#arriving.lacks
    this.#listed = performance.now()
    this.#arriving = new Arriving()
    this.took = performance.now() - began
    this.runs++
    this.busy = false
    this.fault = undefined
    this.signIn = false
    this.#foldSoon()
    this.changed()
    if (this.list.total === 0) void this.empty.explain(this.view, this.bounds)
    this.#count()
    void this.facets.load(this.view, this.bounds)
  }

  #halt(): void {
    this.#run?.abort()
    this.empty.stop()
    clearTimeout(this.#fold)
    this.#fold = undefined
    this.#anew = false
    this.#arriving = new Arriving()
  }

  #failed(e: unknown): void {
    this.busy = false
    this.bars.busy = false
    this.facets.rest()
    this.signIn = e instanceof Fault && e.status === 401
    this.fault = e
    this.changed()
  }

  #count(): void {
    void this.bars.load(this.view, this.bounds, this.now, this.#run!.signal)
  }

  #open(id: string): void {
    this.opened.open(id, this.list.itemAt(this.list.indexOf(id)), this.view.tenant)
  }

  // The live tail.

  get canFollow(): boolean {
    return endsNow(this.view.span)
  }

  toggleLive(): void {
    if (this.live.state !== 'off') {
      const lacks = this.live.behind > 0 || this.#lacks // what waited while paused is in no list
      this.live.stop()
      return lacks ? void this.run() : this.changed()
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

  /** Reads what was stored between the list and the beginning of the tail: a page, or everything anew if that is more. */
  async #catchUp(): Promise<void> {
    const p = this.params
    p.set('pageSize', String(pageSize))
    const { signal } = this.#run!
    try {
      const { items, total } = await this.api.list(p, signal)
      if (signal.aborted) return
      if (items.length < pageSize || items.some((item) => this.list.indexOf(item.id) >= 0)) this.#arrived(items)
      else return void this.run()
      if (this.busy || total <= this.list.total) return
    } catch {
      if (signal.aborted) return
      this.#arriving.lacks = true
    }
    this.#unsure = true
    this.#foldSoon()
  }

  resume(): void {
    if (this.live.resume() || this.#lacks) this.#readAnew()
  }

  /** Whether entries have arrived that the list does not show, or may not. */
  get #lacks(): boolean {
    return this.list.counted > 0 || this.#unsure
  }

  #arrived(items: Item[]): void {
    if (this.busy) this.#arriving.add(items)
    if (this.list.take(items, performance.now() - this.#listed > settling) > 0) this.#unsure = true
    if (this.list.total > 0) this.empty.stop()
    this.#foldSoon()
    this.changed()
  }

  /** While the list is read, this waits until it is there. */
  #foldSoon(): void {
    if (this.#lacks && !this.busy) this.#fold ??= setTimeout(() => this.#readAnew(), foldAfter)
  }

  /** More arrives than is held: the tail goes on from now, and then the list is read anew. A reader who has scrolled away keeps the place. */
  #readAnew(): void {
    clearTimeout(this.#fold)
    this.#fold = undefined
    if (this.live.paused) return
    this.#anew = true
    this.live.restart()
    this.#fold = setTimeout(() => this.#tailBegan(), foldAfter) // where it cannot connect
  }

  /** The list is read after the tail has begun, so that nothing lies between them. */
  #tailBegan(): void {
    if (this.#anew) void this.run()
    else void this.#catchUp()
  }

  setLook(change: Partial<Look>): void {
    this.look = { ...this.look, ...change }
    keepLook(this.look)
    this.changed()
  }

  // Who asks.

  async identify(): Promise<void> {
    await this.caller.identify()
    this.changed()
  }

  async sign(token: string, keep: boolean): Promise<void> {
    this.api.sign(token, keep)
    this.#forget()
    await this.identify()
    this.signIn = false
    if (!this.caller.reads) return this.changed()
    await this.run()
    this.#open(this.view.entry)
  }

  /** What one caller may see, the next one may not: nothing of it stays, even if nothing else can be read. */
  #forget(): void {
    this.#halt()
    this.live.stop()
    for (const part of [this.list, this.opened, this.bars, this.facets, this.caller, this.watch]) part.forget()
    this.fault = undefined
    this.busy = true
    this.changed()
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
