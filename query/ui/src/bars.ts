// The counts by time that the histogram draws.

import type { API, Group } from './api'
import { groups, type Field } from './query'
import { barOf, day, hour, intervalOf, widthOf, type Bounds } from './time'

/** The number of values with a series of their own; the rest are the series "others". */
export const series = 4

export interface Bars {
  start: number // of the first bar, Unix ms
  end: number // after the last one
  width: number
  names: string[] // of the series, without others
  bars: Bar[] // those with entries, by time
  most: number // of the highest bar
}

export interface Bar {
  at: number
  total: number
  counts: number[] // by series
}

/** Counts a window by time, and by the field. */
export async function readBars(api: API, params: URLSearchParams, by: Field | '', bounds: Bounds, now: number, local: boolean, signal: AbortSignal): Promise<Bars> {
  const end = bounds.end ?? now
  const width = bounds.start === undefined ? 0 : widthOf(Math.max(1, end - bounds.start))
  const [code] = width === 0 ? (['1d'] as const) : intervalOf(local && width >= day ? hour : width)
  const ask = (more: Record<string, string>): Promise<{ groups: Group[] }> => {
    const p = new URLSearchParams(params)
    p.set('interval', code)
    for (const [name, value] of Object.entries(more)) p.set(name, value)
    return api.stats(p, signal)
  }
  const group = by && groups[by]
  const [all, split] = await Promise.all([ask({}), group ? ask({ groupBy: group, top: String(series) }) : { groups: [] }])
  return barsOf(all.groups, split.groups, { start: bounds.start, end }, width, local)
}

/** Puts the API's counts into bars. Without a start, the window begins with the first entry. */
export function barsOf(all: Group[], split: Group[], window: { start: number | undefined; end: number }, width: number, local: boolean): Bars {
  const first = all.length > 0 ? Date.parse(all[0]!.bucket!) : window.end
  const start = window.start ?? first
  const end = Math.max(window.end, start + 1)
  if (width === 0) width = Math.max(day, widthOf(end - start))
  const names = namesOf(split)
  const bars = new Map<number, Bar>()
  const barAt = (bucket: string): Bar | undefined => {
    const ms = Date.parse(bucket)
    if (ms > end) return undefined // of a clock that is ahead
    const at = barOf(Math.max(ms, start), width, local)
    let bar = bars.get(at)
    if (!bar) bars.set(at, (bar = { at, total: 0, counts: names.map(() => 0) }))
    return bar
  }
  for (const g of all) {
    const bar = barAt(g.bucket!)
    if (bar) bar.total += g.count
  }
  for (const g of split) {
    const bar = barAt(g.bucket!)
    const i = names.indexOf(g.value!)
    if (bar && i >= 0) bar.counts[i]! += g.count
  }
  const sorted = [...bars.values()].sort((a, b) => a.at - b.at)
  return { start: barOf(start, width, local), end: barOf(end, width, local) + width, width, names, bars: sorted, most: Math.max(0, ...sorted.map((b) => b.total)) }
}

/** The values, those with the most entries first. */
function namesOf(split: Group[]): string[] {
  const sums = new Map<string, number>()
  for (const g of split) sums.set(g.value!, (sums.get(g.value!) ?? 0) + g.count)
  return [...sums.keys()].sort((a, b) => sums.get(b)! - sums.get(a)! || (a < b ? -1 : 1))
}

/** The window three times as long, around the same middle; not beyond now. */
export function zoomedOut(bars: Bars, now: number): Bounds {
  const length = bars.end - bars.start
  const end = Math.min(bars.end + length, now)
  return { start: end - 3 * length, end: end === now ? undefined : end }
}

