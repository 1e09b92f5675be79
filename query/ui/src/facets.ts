// The values of each field with their counts, beside the list.

import { aborted, type API, type Group } from './api'
import { groups, paramsOf, type Field, type View } from './query'
import type { Bounds } from './time'

export const facetFields: Field[] = ['action', 'platform', 'serial', 'username', 'targetType']

export interface Facet {
  field: Field
  groups: Group[]
  total: number
  other: number
  top: number
  match: string // what is searched for within the values
  state: 'loading' | 'ready' | 'failed'
}

const unknown = (field: Field): Facet => ({ field, groups: [], total: 0, other: 0, top: 6, match: '', state: 'loading' })

/** How many facets are counted at once: the list comes first. */
const atOnce = 2

export class Facets {
  all: Facet[] = facetFields.map(unknown)
  #api: API
  #changed: () => void
  #running = new Map<Field, AbortController>()
  #view: View | undefined
  #bounds: Bounds = {}

  constructor(api: API, changed: () => void) {
    this.#api = api
    this.#changed = changed
  }

  stop(): void {
    for (const running of this.#running.values()) running.abort()
    this.#running.clear()
    for (const f of this.all) f.state = 'loading'
  }

  /** Shows nothing, until it is loaded. */
  forget(): void {
    this.stop()
    this.#view = undefined
    this.all = facetFields.map(unknown)
  }

  /** What was counted before stays, and nothing more is read. */
  rest(): void {
    for (const f of this.all) f.state = 'ready'
  }

  async load(view: View, bounds: Bounds): Promise<void> {
    this.stop()
    this.#view = view
    this.#bounds = bounds
    const queue = [...this.all]
    const work = async (): Promise<void> => {
      for (let f = queue.shift(); f && this.#view === view; f = queue.shift()) await this.#read(f)
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }

  more(f: Facet): void {
    f.top = f.top < 20 ? 20 : 100
    void this.#read(f)
  }

  fewer(f: Facet): void {
    f.top = 6
    f.groups = f.groups.slice(0, f.top)
    void this.#read(f)
  }

  search(f: Facet, match: string): void {
    f.match = match
    void this.#read(f)
  }

  /** Counts the values of a field as the other filters leave them, so that another value can be chosen. */
  async #read(f: Facet): Promise<void> {
    if (!this.#view) return
    this.#running.get(f.field)?.abort()
    const running = new AbortController()
    this.#running.set(f.field, running)
    f.state = 'loading'
    this.#changed()
    const p = paramsOf({ ...this.#view, filters: this.#view.filters.filter((o) => o.field !== f.field) }, this.#bounds)
    p.set('groupBy', groups[f.field]!)
    p.set('top', String(f.top))
    if (f.match) p.set('contains', f.match)
    try {
      const s = await this.#api.stats(p, running.signal)
      if (running.signal.aborted) return
      Object.assign(f, { groups: s.groups, total: s.total, other: s.other, state: 'ready' })
    } catch (e) {
      if (running.signal.aborted || aborted(e)) return
      f.state = 'failed'
    }
    this.#changed()
  }
}
