// What the columns of the list show, and which of them fit.

import type { JSX } from 'preact'
import type { Item } from '../api'
import { changesOf, isObject, type JSONValue } from '../change'
import { cut } from '../format'
import { columnNames, type Column, type Filter } from '../query'
import { ago, clock, date, moment } from '../time'
import { mostMarks } from '../words'
import { Marked } from './parts'

/** The actor as people call it. */
export const actorOf = (i: Item): string => i.username ?? i.user?.name ?? i.userId ?? ''

/** The filter username means the name or, where there is none, the id. */
export const actorFilter = (i: Item): Filter => ({ field: i.username || !i.userId ? 'username' : 'userId', not: false, value: i.username ?? i.userId ?? '' })

/** The filters that find the first target; none if it is the entry's device. */
export function targetFilters(i: Item): Filter[] {
  if (!i.targetType || !i.targetId || (i.targetType === 'DEVICE' && i.targetId === i.serial)) return []
  return targetFilter(i.targetType, i.targetId)
}

export const targetFilter = (type: string, id: string): Filter[] => [{ field: 'targetType', not: false, value: type }, { field: 'targetId', not: false, value: id }]

export function targetOf(i: Item): string {
  const t = i.targets?.[0]
  const name = t?.name ?? i.targetId ?? ''
  const more = (i.targets?.length ?? 0) > 1 ? ` +${i.targets!.length - 1}` : ''
  return i.targetType === 'DEVICE' && i.targetId === i.serial ? '' : [i.targetType, name].filter(Boolean).join(' · ') + more
}

/** How long a line of the list is at most, and each value in it. */
const [longest, longestValue] = [300, 200]

const lines = new WeakMap<Item, string>() // a row is drawn often

/** One line about what happened: the detail, what has changed, and the other details. */
export function lineOf(i: Item): string {
  let line = lines.get(i)
  if (line === undefined) lines.set(i, (line = newLine(i)))
  return line
}

function newLine(i: Item): string {
  const d = i.details
  if (!d) return ''
  const parts: string[] = []
  const add = (name: string, value: string): unknown => parts.push(`${cut(name, longestValue)}: ${value}`)
  if (typeof d.detail === 'string') parts.push(cut(d.detail, longest))
  const changes = changesOf(d)
  for (const c of changes.slice(0, 3)) add(c.name, `${brief(c.before)} → ${brief(c.after)}`)
  if (changes.length === 0) {
    for (const name in d) {
      if (name === 'detail' && typeof d.detail === 'string') continue
      add(name, brief(d[name]))
      if (parts.length > 8) break
    }
  }
  return cut(parts.join('  ·  '), longest)
}

function brief(v: JSONValue | undefined): string {
  if (v === undefined || v === null) return '–'
  if (Array.isArray(v)) return `[${v.length}]`
  if (typeof v === 'string') return cut(v, longestValue)
  if (!isObject(v)) return String(v)
  const names = Object.keys(v)
  return `{${names.slice(0, 3).map((name) => cut(name, longestValue)).join(', ')}${names.length > 3 ? ', …' : ''}}`
}

export const textOf: Record<Exclude<Column, 'time'>, (i: Item) => string> = {
  action: (i) => i.action,
  actor: actorOf,
  device: (i) => i.serial ?? '',
  platform: (i) => i.platform ?? '',
  target: targetOf,
  detail: lineOf,
  request: (i) => i.requestId ?? '',
  ip: (i) => i.ipAddress ?? '',
  layer: (i) => i.layer ?? '',
}

const mono = new Set<Column>(['device', 'request', 'ip'])

/** How times are shown. */
export interface Times {
  local: boolean
  relative: boolean
  withDate: boolean
}

export function Cell({ column, item, times, phrases }: { column: Column; item: Item; times: Times; phrases: string[][] }): JSX.Element {
  if (column === 'time') {
    const ms = Date.parse(item.createdAt)
    const { local, withDate } = times
    if (times.relative) return <time dateTime={item.createdAt} title={moment(ms, local)}><b>{ago(ms, Date.now())}</b></time>
    const [time, fraction] = clock(ms, local)
    return <time dateTime={item.createdAt}>{withDate && <span class="date">{date(ms, local)} </span>}<b>{time}</b>{fraction}</time>
  }
  const text = textOf[column](item)
  if (column === 'detail' || column === 'request') return <span class={mono.has(column) ? 'mono' : ''}><Marked text={text} phrases={phrases} most={mostMarks.row} /></span>
  return <span class={column === 'action' ? 'action' : mono.has(column) ? 'mono' : ''}>{text}</span>
}

/** How wide a column has to be for what it shows, px, and which ones give way first. */
const widths: Record<Column, [least: number, most: number]> = {
  time: [96, 170], action: [60, 260], actor: [60, 180], device: [70, 180], platform: [60, 120], target: [80, 240], detail: [300, 10_000],
  request: [80, 220], ip: [80, 150], layer: [50, 100],
}
const givesWay: Column[] = ['layer', 'ip', 'request', 'platform', 'target', 'device', 'actor']

/** The columns that fit, with their widths; 0 takes the rest. */
export function layout(columns: Column[], items: Item[], width: number, times: Times): { column: Column; width: number }[] {
  const need = new Map<Column, number>()
  for (const c of columns) need.set(c, needed(c, items, times))
  const shown = new Set(columns)
  const used = (): number => [...shown].reduce((n, c) => n + need.get(c)!, 0)
  for (const c of givesWay) {
    if (used() <= width) break
    if (shown.size > 2) shown.delete(c)
  }
  if (used() > width && need.has('action')) need.set('action', Math.max(widths.action[0], need.get('action')! - (used() - width)))
  return columns.filter((c) => shown.has(c)).map((column) => ({ column, width: column === 'detail' ? 0 : need.get(column)! }))
}

function needed(c: Column, items: Item[], times: Times): number {
  if (c === 'time') return times.relative ? 106 : times.withDate ? 158 : 106
  if (c === 'detail') return widths.detail[0]
  const lengths = items.map((i) => lengthOf(textOf[c](i), c)).sort((a, b) => a - b)
  const typical = lengths[Math.floor(lengths.length * 0.95)] ?? 0
  return Math.min(widths[c][1], Math.max(widths[c][0], Math.ceil(Math.max(typical, lengthOf(columnNames[c], c))) + 20))
}

let pen: CanvasRenderingContext2D | null | undefined
const fonts = { text: '13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif', action: '600 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif', mono: '12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace' }

/** How long a text is as the column shows it, px. */
function lengthOf(text: string, c: Column): number {
  pen ??= document.createElement('canvas').getContext('2d')
  if (!pen) return text.length * 8
  pen.font = c === 'action' ? fonts.action : mono.has(c) ? fonts.mono : fonts.text
  return pen.measureText(text.slice(0, 100)).width
}
