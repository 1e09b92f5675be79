// Windows of time, buckets of the histogram, and how times are shown.

export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

/** A window: the last so long, or from and to (Unix ms, inclusive; both may be missing). */
export interface Span {
  last?: string
  from?: number
  to?: number
}

/** Bounds of a window, Unix ms. A relative window has no end: entries of clocks that are ahead belong to it. */
export interface Bounds {
  start?: number
  end?: number
}

export const lasts: [code: string, name: string, ms: number][] = [
  ['15m', 'Last 15 minutes', 15 * minute],
  ['1h', 'Last hour', hour],
  ['6h', 'Last 6 hours', 6 * hour],
  ['24h', 'Last 24 hours', day],
  ['7d', 'Last 7 days', 7 * day],
  ['30d', 'Last 30 days', 30 * day],
  ['90d', 'Last 90 days', 90 * day],
  ['all', 'All time', 0],
]

export const standard = '24h'

/** The length of a relative window such as 15m or 3d; 0 for all time, undefined if it is none. */
export function lengthOf(code: string): number | undefined {
  if (code === 'all') return 0
  const m = /^([1-9]\d{0,4})([mhd])$/.exec(code)
  return m ? Number(m[1]) * { m: minute, h: hour, d: day }[m[2] as 'm' | 'h' | 'd'] : undefined
}

export function boundsOf(s: Span, now: number): Bounds {
  if (s.last === undefined) return { start: s.from, end: s.to }
  const length = lengthOf(s.last)
  return length ? { start: now - length } : {}
}

export const endsNow = (s: Span): boolean => s.last !== undefined || s.to === undefined

/** What the API counts by, and the widths that are made of it. */
export const intervals: [code: string, ms: number][] = [
  ['1s', second], ['10s', 10 * second], ['1m', minute], ['5m', 5 * minute], ['1h', hour], ['1d', day],
]

const widths = [
  second, 2 * second, 5 * second, 10 * second, 30 * second, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute,
  hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day, 7 * day, 14 * day, 30 * day, 90 * day, 365 * day,
]

/** The width of bars so that a window has at most so many of them. */
export function widthOf(length: number, most = 120): number {
  return widths.find((w) => length / w <= most) ?? widths[widths.length - 1]!
}

/** The widest interval of the API that the width is a multiple of. */
export function intervalOf(width: number): [code: string, ms: number] {
  return intervals.findLast(([, ms]) => width % ms === 0) ?? intervals[0]!
}

/** The beginning of the bar that contains a time. Days and wider bars begin at midnight of the zone. */
export function barOf(ms: number, width: number, local: boolean): number {
  if (!local || width < hour) return Math.floor(ms / width) * width
  const shift = new Date(ms).getTimezoneOffset() * minute
  return Math.floor((ms - shift) / width) * width + shift
}

const two = (n: number): string => String(n).padStart(2, '0')
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

interface Parts { y: number; mo: number; d: number; h: number; mi: number; s: number; ms: number }

function partsOf(ms: number, local: boolean): Parts {
  const t = new Date(local ? ms - new Date(ms).getTimezoneOffset() * minute : ms)
  return {
    y: t.getUTCFullYear(), mo: t.getUTCMonth(), d: t.getUTCDate(), h: t.getUTCHours(), mi: t.getUTCMinutes(), s: t.getUTCSeconds(),
    ms: t.getUTCMilliseconds(),
  }
}

/** 12:31:07 and .412 */
export function clock(ms: number, local: boolean): [time: string, fraction: string] {
  const p = partsOf(ms, local)
  return [`${two(p.h)}:${two(p.mi)}:${two(p.s)}`, '.' + String(p.ms).padStart(3, '0')]
}

/** Nov 28; with the year if it is not this one. */
export function date(ms: number, local: boolean, now = Date.now()): string {
  const p = partsOf(ms, local)
  return `${months[p.mo]} ${p.d}` + (p.y === partsOf(now, local).y ? '' : `, ${p.y}`)
}

/** Nov 28, 11:42:07.412 */
export function moment(ms: number, local: boolean): string {
  return `${date(ms, local)}, ${clock(ms, local).join('')}`
}

/** 2026-11-28 11:42, with seconds if there are any. Field of a form; parse reads it. */
export function field(ms: number | undefined, local: boolean): string {
  if (ms === undefined) return ''
  const p = partsOf(ms, local)
  const tail = p.ms ? `:${two(p.s)}.${String(p.ms).padStart(3, '0')}` : p.s ? `:${two(p.s)}` : ''
  return `${p.y}-${two(p.mo + 1)}-${two(p.d)} ${two(p.h)}:${two(p.mi)}${tail}`
}

/** A time that a person wrote: 2026-11-28, 2026-11-28 11:42[:07[.412]], with or without a zone. An end covers its last unit. */
export function parse(text: string, local: boolean, end: boolean): number | undefined {
  const m = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,3})\d*)?)?)?\s*(Z|[+-]\d\d:?\d\d)?$/i.exec(text.trim())
  if (!m) return undefined
  const [, y, mo, d, h, mi, s, fraction, zone] = m
  const at = [Number(y), Number(mo) - 1, Number(d), Number(h ?? 0), Number(mi ?? 0), Number(s ?? 0), Number((fraction ?? '0').padEnd(3, '0'))] as const
  const utc = Date.UTC(...at)
  if (new Date(utc).getUTCDate() !== at[2] || at[1] > 11 || at[3] > 23 || at[4] > 59 || at[5] > 59) return undefined
  const unit = h === undefined ? day : s === undefined ? minute : fraction === undefined ? second : 1
  const offset = zone ? offsetOf(zone) : local ? -new Date(...at).getTimezoneOffset() * minute : 0
  return utc - offset + (end ? unit - 1 : 0)
}

function offsetOf(zone: string): number {
  if (zone.toUpperCase() === 'Z') return 0
  const size = Number(zone.slice(1, 3)) * hour + Number(zone.slice(-2)) * minute
  return zone[0] === '-' ? -size : size
}

/** 3 min ago */
export function ago(ms: number, now: number): string {
  const late = now - ms
  const size = Math.abs(late)
  const [n, unit] = size < minute ? [size / second, 's'] : size < hour ? [size / minute, 'min'] : size < 2 * day ? [size / hour, 'h'] : [size / day, 'days']
  return late < 0 ? `in ${Math.round(n)} ${unit}` : `${Math.floor(n)} ${unit} ago`
}

/** 0.4 s, without a sign. */
export function distance(ms: number): string {
  const size = Math.abs(ms)
  if (size < second) return `${size} ms`
  if (size < minute) return `${(Math.floor(size / 100) / 10).toFixed(1)} s`
  const [n, unit] = size < hour ? [size / minute, 'min'] : size < 2 * day ? [size / hour, 'h'] : [size / day, 'days']
  return `${Math.floor(n)} ${unit}`
}

/** How a window is called: Last 24 hours; Nov 27, 12:00 – Nov 28, 12:00. */
export function nameOf(s: Span, local: boolean): string {
  if (s.last !== undefined) return lasts.find(([code]) => code === s.last)?.[1] ?? `Last ${s.last}`
  const from = s.from === undefined ? 'the beginning' : short(s.from, local)
  return `${from} – ${s.to === undefined ? 'now' : short(s.to, local)}`
}

function short(ms: number, local: boolean): string {
  const [time] = clock(ms, local)
  return `${date(ms, local)}, ${time.endsWith(':00') ? time.slice(0, 5) : time}`
}

/** Where an axis has its marks: about so many, at round times. */
export function ticksOf(start: number, end: number, most: number, local: boolean): { at: number; text: string }[] {
  const step = widths.find((w) => (end - start) / w <= most) ?? widths[widths.length - 1]!
  const out = []
  for (let at = barOf(start + step - 1, step, local); at <= end; at += step) out.push({ at, text: tick(at, step, local) })
  return out
}

function tick(ms: number, step: number, local: boolean): string {
  const [time] = clock(ms, local)
  if (step >= day || time === '00:00:00') return date(ms, local)
  return step >= minute ? time.slice(0, 5) : time
}

/** 5 min */
export function lengthName(ms: number): string {
  for (const [unit, name] of [[day, 'day'], [hour, 'hour'], [minute, 'minute'], [second, 'second']] as const) {
    if (ms >= unit) return ms === unit ? `1 ${name}` : `${Math.round(ms / unit)} ${name}s`
  }
  return `${ms} ms`
}
