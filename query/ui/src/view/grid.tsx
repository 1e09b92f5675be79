// The list: only the rows that are seen exist. Their place follows from their number alone, so that nothing moves when pages arrive.

import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Item } from '../api'
import type { Explorer } from '../explorer'
import { count } from '../format'
import { columnNames, type Column } from '../query'
import { phrasesOf } from '../words'
import { Cell, layout, type Times } from './columns'

/** Browsers cannot lay out elements higher than about 17 million px. Beyond, a step of the scroll bar is more than one row. */
const highest = 15_000_000

const headHeight = 30

/** How high a row is, of one line and of two. */
const heights = { comfortable: [28, 54], compact: [22, 44] } as const

export interface GridControl {
  move: (by: number) => void
  current: () => Item | undefined
}

export function Grid({ x, control }: { x: Explorer; control: { current: GridControl | null } }): JSX.Element {
  const view = useRef<HTMLDivElement>(null)
  const [size, setSize] = useState({ width: 0, height: 0 })
  const [top, setTop] = useState(0) // the first row that is seen; a fraction of it may be above
  const [cursor, setCursor] = useState(-1)
  const narrow = size.width > 0 && size.width < 560
  const rowHeight = heights[x.look.compact ? 'compact' : 'comfortable'][narrow ? 1 : 0]
  const total = x.list.total
  const room = Math.max(0, size.height - (narrow ? 0 : headHeight))
  const seen = room / rowHeight
  const last = Math.max(0, total - seen)
  const height = Math.min(total * rowHeight, highest)
  const scaled = total * rowHeight > highest
  const ours = useRef(-1) // the scroll position that we have set
  useEffect(() => {
    const watch = new ResizeObserver(([e]) => setSize({ width: e!.contentRect.width, height: e!.contentRect.height }))
    watch.observe(view.current!)
    return () => watch.disconnect()
  }, [])
  const scrollOf = (row: number): number => (scaled ? (row / Math.max(last, 1)) * (height - room) : row * rowHeight)
  const to = (row: number): void => {
    const next = Math.min(Math.max(row, 0), last)
    setTop(next)
    ours.current = Math.round(scrollOf(next))
    view.current!.scrollTop = ours.current
  }
  const scrolled = (): void => {
    const at = view.current!.scrollTop
    if (at > 4) x.live.pause()
    else if (x.live.paused) x.resume()
    if (Math.abs(at - ours.current) < 2) return
    ours.current = -1
    setTop(scaled ? (at / Math.max(height - room, 1)) * last : at / rowHeight)
  }
  const wheel = (e: WheelEvent): void => {
    if (!scaled || e.ctrlKey) return
    e.preventDefault()
    to(top + e.deltaY / rowHeight)
  }
  useEffect(() => {
    const el = view.current!
    el.addEventListener('wheel', wheel, { passive: false })
    return () => el.removeEventListener('wheel', wheel)
  })
  useLayoutEffect(() => { // rows of another height
    if (ours.current >= 0 || top > 0) to(top)
  }, [rowHeight])
  useLayoutEffect(() => { // a new list
    setCursor(x.list.indexOf(x.view.entry))
    to(0)
  }, [x.runs])
  const first = Math.max(0, Math.floor(Math.min(top, last)))
  const end = Math.min(total, first + Math.ceil(seen) + 2)
  useEffect(() => x.list.show(first - 20, end + 20), [first, end, x.runs, x.list.fresh.length])
  const items: (Item | undefined)[] = []
  for (let i = first; i < end; i++) items.push(x.list.itemAt(i))
  const withDate = !sameDay(x)
  const { relative } = x.look
  const { local } = x.view
  const times = useMemo(() => ({ local, relative, withDate }), [local, relative, withDate])
  const sample = useRef<{ run: number; items: Item[] }>({ run: -1, items: [] })
  if (sample.current.run !== x.runs || sample.current.items.length === 0) sample.current = { run: x.runs, items: Array.from({ length: 60 }, (_, i) => x.list.itemAt(i)).filter((i) => i !== undefined) }
  const columns = useMemo(() => layout(x.view.columns, sample.current.items, size.width - 12, times), [x.view.columns, x.runs, size.width, times, sample.current])
  const phrases = useMemo(() => phrasesOf(x.view.search), [x.view.search])
  const open = (i: number, replace = false): void => {
    setCursor(i)
    const item = x.list.itemAt(i)
    if (item) x.go({ entry: item.id }, replace)
  }
  const move = (by: number): void => {
    const i = Math.min(total - 1, Math.max(0, cursor < 0 ? (Math.abs(by) === 1 ? first : first + by) : cursor + by))
    setCursor(i)
    if (i < top) to(i)
    else if (i > top + seen - 2) to(i - seen + 2)
    view.current!.focus({ preventScroll: true })
    if (x.view.entry) open(i, true)
  }
  control.current = { move, current: () => x.list.itemAt(cursor) }
  const keys = (e: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(seen) - 1)
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -total, End: total }[e.key]
    if (by !== undefined) move(by)
    else if (e.key === 'Enter' && cursor >= 0) open(cursor)
    else return
    e.preventDefault()
  }
  const hover = (e: PointerEvent): void => {
    if (e.pointerType === 'mouse') x.live.pause()
  }
  const leave = (): void => {
    if (x.live.paused && view.current!.scrollTop <= 4) x.resume()
  }
  const template = columns.map((c) => (c.width ? `${c.width}px` : 'minmax(0, 1fr)')).join(' ') + (columns.some((c) => !c.width) ? '' : ' minmax(0, 1fr)')
  const origin = scaled ? (view.current?.scrollTop ?? 0) - Math.min(top, last) * rowHeight : 0
  const shownCursor = cursor >= first && cursor < end ? cursor : -1
  return (
    <div class={`list ${x.busy ? 'busy' : ''}`}>
      <Notices x={x} toTop={() => to(0)} />
      <div class={`grid ${narrow ? 'narrow' : ''}`} ref={view} role="grid" aria-label="Entries" aria-rowcount={total} aria-busy={x.busy} tabIndex={0}
        aria-activedescendant={shownCursor < 0 ? undefined : `row-${shownCursor}`} onKeyDown={keys} onScroll={scrolled} onPointerEnter={hover} onPointerLeave={leave}>
        {!narrow && <Head x={x} columns={columns} template={template} />}
        {!x.list.rows ? <Ghosts rows={Math.ceil(seen) || 12} /> : (
          <div class="space" role="rowgroup" style={{ height: `${height}px` }}>
            {items.map((item, k) => {
              const i = first + k
              return (
                <Row key={item?.id ?? `at-${i}`} item={item} i={i} y={origin + i * rowHeight} template={template} columns={columns} times={times} phrases={phrases} narrow={narrow}
                  chosen={item !== undefined && item.id === x.view.entry} current={i === cursor} isNew={i < x.list.fresh.length} open={() => open(i)} />
              )
            })}
          </div>
        )}
      </div>
    </div>
  )
}

/** Whether all entries lie within a day, so that the time is enough. */
function sameDay(x: Explorer): boolean {
  const { start, end } = x.bounds
  return start !== undefined && new Date(start).toDateString() === new Date(end ?? x.now).toDateString()
}

function Head({ x, columns, template }: { x: Explorer; columns: { column: Column }[]; template: string }): JSX.Element {
  return (
    <div class="row head" role="row" style={{ gridTemplateColumns: template }}>
      {columns.map(({ column }) => (
        <div role="columnheader" aria-sort={column === 'time' ? (x.view.oldest ? 'ascending' : 'descending') : undefined}>
          {column === 'time' ? (
            <button type="button" class="quiet" title={x.view.oldest ? 'Show the newest first' : 'Show the oldest first'} onClick={() => x.go({ oldest: !x.view.oldest })}>
              Time <span aria-hidden="true">{x.view.oldest ? '↑' : '↓'}</span>
            </button>
          ) : columnNames[column]}
        </div>
      ))}
    </div>
  )
}

interface RowProps {
  item: Item | undefined
  i: number
  y: number
  template: string
  columns: { column: Column }[]
  times: Times
  phrases: string[][]
  narrow: boolean
  chosen: boolean
  current: boolean
  isNew: boolean
  open: () => void
}

function Row(p: RowProps): JSX.Element {
  const at = { transform: `translateY(${p.y}px)`, ...(p.narrow ? {} : { gridTemplateColumns: p.template }) }
  if (!p.item) return <div class="row ghost" role="row" aria-rowindex={p.i + 1} style={at}><div role="gridcell"><span style={{ width: '60%' }} /></div><div role="gridcell"><span style={{ width: `${40 + ((p.i * 37) % 45)}%` }} /></div></div>
  const shown = p.narrow ? (['action', 'actor', 'time', 'detail'] as Column[]).map((column) => ({ column })) : p.columns
  return (
    <div id={`row-${p.i}`} class={`row ${p.chosen ? 'chosen' : ''} ${p.current ? 'current' : ''} ${p.isNew ? 'new' : ''}`} role="row" aria-rowindex={p.i + 1} aria-selected={p.chosen} style={at} onClick={p.open}>
      {shown.map(({ column }) => (
        <div role="gridcell" class={`cell ${column}`}>
          <Cell column={column} item={p.item!} times={p.times} phrases={p.phrases} />
        </div>
      ))}
    </div>
  )
}

export function Ghosts({ rows }: { rows: number }): JSX.Element {
  return (
    <div class="ghosts" aria-hidden="true">
      {Array.from({ length: Math.min(rows, 40) }, (_, i) => <div class="ghost-row"><span style={{ width: '70px' }} /><span style={{ width: `${60 + ((i * 53) % 50)}px` }} /><span style={{ width: `${30 + ((i * 37) % 40)}%` }} /></div>)}
    </div>
  )
}

/** What the reader has to know of the tail and of rows that could not be read. */
function Notices({ x, toTop }: { x: Explorer; toTop: () => void }): JSX.Element | null {
  const { live } = x
  const resume = (): void => {
    toTop()
    x.resume()
  }
  return (
    <div class="notices" aria-live="polite">
      {live.paused && <button type="button" class="news" onClick={resume}>{live.behind > 0 ? `${count(live.behind)} new` : 'Paused'} · Resume</button>}
      {live.gap && <p class="notice">{live.gap} <button type="button" class="quiet" onClick={() => { live.gap = ''; void x.run() }}>Read the list again</button></p>}
      {x.list.late > 0 && <p class="notice">{count(x.list.late)} of earlier times arrived. <button type="button" class="quiet" onClick={() => void x.run()}>Read the list again</button></p>}
      {x.list.rows?.fault ? <p class="notice bad">These rows could not be read: {String((x.list.rows.fault as Error).message)} <button type="button" class="quiet" onClick={() => x.list.rows!.retry()}>Retry</button></p> : null}
    </div>
  )
}
