// The list as it is shown, the newest first: live entries, then those that were read.

import type { Item } from './api'
import { pageSize, type Rows } from './rows'

/** So many live entries are held above the rows. Older ones are only counted until the list is read anew. */
export const mostFresh = 2000
const keptFresh = 1000

/** Live entries that arrive while a list is read. */
export class Arriving {
  items: Item[] = [] // the newest first
  lacks = false // others have arrived, too

  add(items: Item[]): void {
    const all = [...items, ...this.items]
    this.items = all.slice(0, mostFresh)
    if (all.length > mostFresh) this.lacks = true
  }
}

export class List {
  rows: Rows | undefined
  fresh: Item[] = [] // live ones above the rows
  counted = 0 // live ones between fresh and the rows that are no longer held
  late = 0 // live ones that belong among the rows

  get total(): number {
    return this.above + (this.rows?.total ?? 0)
  }

  get above(): number {
    return this.fresh.length + this.counted
  }

  itemAt(i: number): Item | undefined {
    return i < 0 ? undefined : i < this.fresh.length ? this.fresh[i] : i < this.above ? undefined : this.rows?.get(i - this.above)
  }

  indexOf(id: string): number {
    if (!id) return -1
    const i = this.fresh.findIndex((item) => item.id === id)
    if (i >= 0) return i
    const row = this.rows?.indexOf(id) ?? -1
    return row < 0 ? -1 : row + this.above
  }

  show(first: number, last: number): void {
    this.rows?.show(first - this.above, last - this.above)
  }

  /**
   * Begins with other rows. arrived are live entries that came while they were read: those above the first row are kept. The others may be
   * among the rows: their number is returned.
   */
  begin(rows: Rows, arrived: Item[]): number {
    this.rows?.stop()
    this.rows = rows
    this.fresh = []
    this.counted = 0
    this.late = 0
    return this.take(arrived, false)
  }

  forget(): void {
    this.rows?.stop()
    this.rows = undefined
    this.fresh = []
    this.counted = 0
    this.late = 0
  }

  /**
   * Adds live entries. Just after the list was read, one that is older than its first may be among its rows: those are not late, and their
   * number is returned.
   */
  take(items: Item[], settled = true): number {
    const top = this.rows?.get(0)
    const known = new Set(this.fresh.map((item) => item.id))
    for (let i = 0; i < pageSize; i++) known.add(this.rows?.get(i)?.id ?? '')
    const news = items.filter((item) => !known.has(item.id))
    const above = news.filter((item) => !top || newer(item, top) > 0)
    const below = news.length - above.length
    if (settled) this.late += below
    this.fresh = [...above, ...this.fresh].sort((a, b) => newer(b, a))
    if (this.fresh.length > mostFresh) {
      this.counted += this.fresh.length - keptFresh
      this.fresh = this.fresh.slice(0, keptFresh)
    }
    return settled ? 0 : below
  }
}

/** Above 0 if a comes before b in a list with the newest first. Times have the same form, so they compare as texts. */
export function newer(a: Item, b: Item): number {
  if (a.createdAt !== b.createdAt) return a.createdAt > b.createdAt ? 1 : -1
  return a.id > b.id ? 1 : a.id < b.id ? -1 : 0
}
