// The view: filters, search, window and everything else that a link holds. Everything here is a pure function.

import { boundsOf, lengthOf, standard, type Bounds, type Span } from './time'

/** The filters of the API. */
export const fields = ['action', 'username', 'userId', 'serial', 'platform', 'targetType', 'targetId', 'requestId'] as const
export type Field = (typeof fields)[number]

/** What people call them. */
export const names: Record<Field, string> = {
  action: 'action', username: 'actor', userId: 'actor id', serial: 'device', platform: 'platform', targetType: 'target type',
  targetId: 'target id', requestId: 'request id',
}

/** The filters that can also exclude. */
export const excludable: ReadonlySet<Field> = new Set<Field>(['action', 'username', 'serial', 'platform', 'targetType'])

export interface Filter {
  field: Field
  not: boolean
  value: string
}

/** How stats groups each filter. */
export const groups: Partial<Record<Field, string>> = {
  action: 'action', platform: 'platform', serial: 'device', username: 'username', userId: 'actor', targetType: 'targetType',
}

export const columnNames = {
  time: 'Time', action: 'Action', actor: 'Actor', device: 'Device', platform: 'Platform', target: 'Target', detail: 'Detail',
  request: 'Request id', ip: 'IP address', layer: 'Layer',
} as const
export type Column = keyof typeof columnNames
export const standardColumns: Column[] = ['time', 'action', 'actor', 'device', 'platform', 'detail']

/** Everything that a link holds. */
export interface View {
  filters: Filter[]
  search: string
  span: Span
  oldest: boolean // the oldest first
  by: Field | '' // the field that the histogram is stacked by
  columns: Column[]
  local: boolean // time zone: the browser's, or UTC
  entry: string // the id of the open one
  tenant: string // for administrators of all tenants
}

export const blank: View = {
  filters: [], search: '', span: { last: standard }, oldest: false, by: 'platform', columns: standardColumns, local: false, entry: '', tenant: '',
}

/** The view in the query of an address. Defaults are left out. */
export function toQuery(v: View): string {
  const p = filterParams(v.filters)
  if (v.search) p.set('q', v.search)
  if (v.span.last !== undefined) {
    if (v.span.last !== standard) p.set('last', v.span.last)
  } else {
    p.set('from', v.span.from === undefined ? '' : new Date(v.span.from).toISOString())
    if (v.span.to !== undefined) p.set('to', new Date(v.span.to).toISOString())
  }
  if (v.oldest) p.set('sort', 'asc')
  if (v.by !== blank.by) p.set('by', v.by)
  if (v.columns.join() !== standardColumns.join()) p.set('columns', v.columns.join())
  if (v.local) p.set('zone', 'local')
  if (v.tenant) p.set('tenant', v.tenant)
  if (v.entry) p.set('entry', v.entry)
  const text = p.toString().replaceAll('%21=', '!=').replaceAll('%3A', ':').replaceAll('%2C', ',')
  return text ? `?${text}` : ''
}

/** The view that an address holds. What is wrong in it is ignored. */
export function fromQuery(text: string): View {
  const p = new URLSearchParams(text)
  const v: View = { ...blank, filters: [] }
  for (const [name, value] of p) {
    const not = name.endsWith('!')
    const field = fields.find((f) => f === (not ? name.slice(0, -1) : name))
    if (field && value && (!not || excludable.has(field))) v.filters = withFilter(v.filters, { field, not, value })
  }
  v.search = p.get('q') ?? ''
  const last = p.get('last')
  if (last !== null && lengthOf(last) !== undefined) v.span = { last }
  else if (p.has('from') || p.has('to')) v.span = { from: timeIn(p, 'from'), to: timeIn(p, 'to') }
  v.oldest = p.get('sort') === 'asc'
  const by = p.get('by')
  if (by !== null && (by === '' || by in groups)) v.by = by as Field | ''
  const columns = (p.get('columns') ?? '').split(',').filter((c): c is Column => c in columnNames)
  if (columns.length > 0) v.columns = [...new Set(columns)]
  v.local = p.get('zone') === 'local'
  v.tenant = p.get('tenant') ?? ''
  v.entry = p.get('entry') ?? ''
  return v
}

function timeIn(p: URLSearchParams, name: string): number | undefined {
  const ms = Date.parse(p.get(name) ?? '')
  return Number.isNaN(ms) ? undefined : ms
}

/** With one more filter. A field has one value that is wanted and several that are not; the opposite of a filter replaces it. */
export function withFilter(all: Filter[], f: Filter): Filter[] {
  const kept = all.filter((o) => o.field !== f.field || (f.not && o.not && o.value !== f.value) || (f.not && !o.not && o.value !== f.value) || (!f.not && o.not && o.value !== f.value))
  return [...kept, f]
}

export const without = (all: Filter[], f: Filter): Filter[] => all.filter((o) => !same(o, f))

export const same = (a: Filter, b: Filter): boolean => a.field === b.field && a.not === b.not && a.value === b.value

function filterParams(filters: Filter[]): URLSearchParams {
  const p = new URLSearchParams()
  for (const f of filters) p.append(f.not ? `${f.field}!` : f.field, f.value)
  return p
}

/** The parameters of the API that select the view's entries. */
export function paramsOf(v: View, bounds: Bounds): URLSearchParams {
  const p = filterParams(v.filters)
  if (v.search.trim()) p.set('search', v.search.trim())
  if (bounds.start !== undefined) p.set('startDate', new Date(bounds.start).toISOString())
  if (bounds.end !== undefined) p.set('endDate', new Date(bounds.end).toISOString())
  if (v.tenant) p.set('tenant', v.tenant)
  return p
}

/** The same view for somebody who looks later: a relative window becomes an absolute one. */
export function fixed(v: View, now: number): View {
  if (v.span.last === undefined || v.span.last === 'all') return v
  return { ...v, span: { from: boundsOf(v.span, now).start, to: now } }
}

/** Whether two views ask for the same entries. */
export function sameEntries(a: View, b: View): boolean {
  const of = (v: View): string => toQuery({ ...v, entry: '', columns: standardColumns, local: false, by: blank.by })
  return of(a) === of(b)
}
