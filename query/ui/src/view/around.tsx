import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { aborted, type Around as Neighbours, type Item, type Side } from '../api'
import type { Explorer } from '../explorer'
import { blank, paramsOf, type Filter } from '../query'
import { clock, date, distance, minute } from '../time'
import { actorFilter, actorOf, lineOf, targetFilters } from './columns'

/** How many entries before and after the open one are shown at first, and how many more at a time. */
const near = 8
const more = 25

/** What happened just before and after, with the same device, actor or target, or at all. */
export function Around({ x, item }: { x: Explorer; item: Item }): JSX.Element {
  const choices = choicesOf(item)
  const [of, setOf] = useState(0)
  const [found, setFound] = useState<{ value?: Neighbours; fault?: string; busy?: boolean }>({})
  const asked = useRef(new AbortController()) // for what is chosen now
  const { tenant } = x.view
  const params = (): URLSearchParams => paramsOf({ ...blank, filters: choices[of]![1], tenant }, {})
  const failed = (e: unknown, signal: AbortSignal): void => {
    if (!signal.aborted && !aborted(e)) setFound((before) => ({ ...before, busy: false, fault: e instanceof Error ? e.message : 'They could not be read.' }))
  }
  useEffect(() => {
    const now = (asked.current = new AbortController())
    const p = params()
    p.set('pageSize', String(near))
    x.api.around(item.id, p, now.signal).then((value) => { if (!now.signal.aborted) setFound({ value }) }, (e: unknown) => failed(e, now.signal))
    return () => now.abort()
  }, [of, item.id])
  const extend = async (side: 'earlier' | 'later'): Promise<void> => {
    const { signal } = asked.current
    const p = params()
    p.set('pageSize', String(more))
    p.set('sort', side === 'later' ? 'createdAt:asc' : 'createdAt:desc')
    p.set('cursor', found.value![side].nextCursor!)
    setFound((before) => ({ ...before, busy: true, fault: undefined }))
    try {
      const { items, next } = await x.api.list(p, signal)
      if (signal.aborted) return
      setFound(({ value }) => ({ value: value && { ...value, [side]: { items: [...value[side].items, ...items], nextCursor: next } } }))
    } catch (e) {
      failed(e, signal)
    }
  }
  const at = Date.parse(item.createdAt)
  const { value } = found
  return (
    <div class="around">
      <label>Around it, of <select value={of} onChange={(e) => { setFound({}); setOf(Number(e.currentTarget.value)) }}>{choices.map(([name], i) => <option value={i}>{name}</option>)}</select></label>
      {found.fault && <p class="fault" role="alert">{found.fault}</p>}
      {!value && !found.fault && <p class="note">Loading…</p>}
      {value && (
        <>
          <Extend side={value.later} what="Later" busy={found.busy} extend={() => void extend('later')} />
          <ol>
            {value.later.items.toReversed().map((i) => <Neighbour x={x} item={i} at={at} key={i.id} />)}
            <Neighbour x={x} item={item} at={at} key={item.id} />
            {value.earlier.items.map((i) => <Neighbour x={x} item={i} at={at} key={i.id} />)}
          </ol>
          <Extend side={value.earlier} what="Earlier" busy={found.busy} extend={() => void extend('earlier')} />
          <button type="button" class="all" onClick={() => x.go({ filters: choices[of]![1], search: '', span: { from: at - minute, to: at + minute } })}>Show the minute before and after in the list</button>
        </>
      )}
    </div>
  )
}

function choicesOf(item: Item): [name: string, filters: Filter[]][] {
  const all: [string, Filter[]][] = []
  if (item.serial) all.push([`device ${item.serial}`, [{ field: 'serial', not: false, value: item.serial }]])
  if (item.username || item.userId) all.push([`actor ${actorOf(item)}`, [actorFilter(item)]])
  const target = targetFilters(item)
  if (target.length > 0) all.push([`target ${target.map((f) => f.value).join(' ')}`, target])
  return [...all, ['everything', []]]
}

/** Continues a side, or says that it ends. */
function Extend({ side, what, busy, extend }: { side: Side; what: 'Earlier' | 'Later'; busy: boolean | undefined; extend: () => void }): JSX.Element {
  if (!side.nextCursor) return <p class="end">{what === 'Later' ? 'Nothing later' : 'Nothing earlier'}</p>
  return <button type="button" class="quiet end" disabled={busy} onClick={extend}>{what}…</button>
}

function Neighbour({ x, item, at }: { x: Explorer; item: Item; at: number }): JSX.Element {
  const ms = Date.parse(item.createdAt)
  const open = item.id === x.view.entry
  const away = ms - at
  const day = date(ms, x.view.local)
  return (
    <li class={open ? 'this' : ''}>
      <button type="button" aria-current={open} onClick={() => x.go({ entry: item.id })}>
        <time dateTime={item.createdAt} title={`${day}, ${clock(ms, x.view.local).join('')}`}>
          {day === date(at, x.view.local) ? clock(ms, x.view.local)[0] : day}
          <em>{open ? '' : away === 0 ? 'same time' : `${away < 0 ? '−' : '+'}${distance(away)}`}</em>
        </time>
        <b>{item.action}</b>
        <span>{lineOf(item)}</span>
      </button>
    </li>
  )
}
