import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { zoomedOut, type Bar, type Bars } from '../bars'
import type { Explorer } from '../explorer'
import { count, entries, short } from '../format'
import { groups, names, withFilter, type Field } from '../query'
import { clock, date, day, hour, lengthName, minute, moment, ticksOf } from '../time'

const height = 92

/** Above the highest bar, for its number. */
const head = 13

/** What was found, and when it happened. */
export function Histogram({ x }: { x: Explorer }): JSX.Element {
  const { value, busy, fault } = x.bars
  return (
    <div class="overview">
      <div class="matches">
        <div role="status" aria-label="Matches" class={x.busy ? 'busy' : ''}>
          {x.list.rows ? <><strong>{count(x.list.total)}</strong> {x.list.total === 1 ? 'entry' : 'entries'}</> : !x.fault && <span class="ghost">counting…</span>}
        </div>
        {x.list.rows && !x.busy && <span class="took">{took(x.took)}</span>}
        {value && value.bars.length > 0 && <Legend x={x} bars={value} />}
      </div>
      <figure class={`histogram ${busy ? 'busy' : ''} ${x.list.rows && x.list.total === 0 && !busy ? 'none' : ''}`} aria-label="Histogram">
        {value && value.bars.length > 0 ? <Chart x={x} bars={value} /> : <div class="blank" style={{ height: `${height}px` }}>{fault && !busy ? <FailedCount x={x} /> : null}</div>}
      </figure>
    </div>
  )
}

const took = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`)

function FailedCount({ x }: { x: Explorer }): JSX.Element {
  return <span class="note">The counts by time could not be read. <button type="button" class="quiet" onClick={() => void x.run()}>Retry</button></span>
}

/** The colours; a click on one filters. */
function Legend({ x, bars }: { x: Explorer; bars: Bars }): JSX.Element {
  const by = x.view.by
  return (
    <div class="legend">
      {by && bars.names.map((name, i) => (
        <button type="button" class="quiet" title={`Show ${names[by]} = ${name} only`} onClick={() => x.go({ filters: withFilter(x.view.filters, { field: by, not: false, value: name }) })}>
          <i class={`c${i}`} aria-hidden="true" />{name}
        </button>
      ))}
      {by && bars.bars.some((b) => b.total > sum(b.counts)) && <span><i class="rest" aria-hidden="true" />others</span>}
      <label>by <select aria-label="Stack by" value={by} onChange={(e) => x.go({ by: e.currentTarget.value as Field | '' }, true)}>
        <option value="">nothing</option>
        {Object.keys(groups).map((f) => <option value={f}>{names[f as Field]}</option>)}
      </select></label>
    </div>
  )
}

const sum = (all: number[]): number => all.reduce((a, b) => a + b, 0)

interface Brush { from: number; to: number }

function Chart({ x, bars }: { x: Explorer; bars: Bars }): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  const [at, setAt] = useState<number>() // the bar under the pointer or the keys
  const [brush, setBrush] = useState<Brush>()
  const single = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => {
    const seen = new ResizeObserver(([e]) => setWidth(e!.contentRect.width))
    seen.observe(box.current!)
    return () => seen.disconnect()
  }, [])
  const n = Math.max(1, Math.round((bars.end - bars.start) / bars.width))
  const barWidth = width / n
  const local = x.view.local
  const timeAt = (px: number): number => bars.start + (Math.min(Math.max(px, 0), width) / Math.max(width, 1)) * (bars.end - bars.start)
  const indexAt = (px: number): number => Math.min(n - 1, Math.max(0, Math.floor(px / Math.max(barWidth, 0.001))))
  const offset = (e: { clientX: number }): number => e.clientX - box.current!.getBoundingClientRect().left
  const zoom = (start: number, end: number): void => {
    x.go({ span: { from: start, to: Math.max(start, end - 1) } })
    setBrush(undefined)
    setAt(undefined)
  }
  const openBar = (i: number): void => zoom(bars.start + i * bars.width, bars.start + (i + 1) * bars.width)
  const down = (e: PointerEvent): void => {
    if (e.button !== 0) return
    box.current!.setPointerCapture(e.pointerId)
    setBrush({ from: offset(e), to: offset(e) })
  }
  const move = (e: PointerEvent): void => {
    setAt(indexAt(offset(e)))
    if (brush) setBrush({ ...brush, to: offset(e) })
  }
  const up = (): void => {
    if (!brush) return
    const [left, right] = [Math.min(brush.from, brush.to), Math.max(brush.from, brush.to)]
    setBrush(undefined)
    clearTimeout(single.current)
    if (right - left > 4) {
      const first = indexAt(left)
      const last = indexAt(right)
      zoom(bars.start + first * bars.width, bars.start + (last + 1) * bars.width)
      return
    }
    const i = indexAt(left) // a second click follows if this is a double one
    single.current = setTimeout(() => bars.width > 1000 && openBar(i), 260)
  }
  const out = (): void => {
    clearTimeout(single.current)
    const wider = zoomedOut(bars, x.now)
    x.go({ span: { from: wider.start, to: wider.end } })
  }
  const keys = (e: KeyboardEvent): void => {
    const i = at ?? n - 1
    if (e.key === 'ArrowLeft') setAt(Math.max(0, at === undefined ? n - 1 : i - 1))
    else if (e.key === 'ArrowRight') setAt(Math.min(n - 1, at === undefined ? 0 : i + 1))
    else if (e.key === 'Enter' && bars.width > 1000) openBar(i)
    else if (e.key === 'Backspace' || e.key === '-') out()
    else return
    e.preventDefault()
  }
  const bar = at === undefined ? undefined : bars.bars.find((b) => b.at === bars.start + at * bars.width)
  const from = at === undefined ? undefined : bars.start + at * bars.width
  return (
    <div class="chart" ref={box} tabIndex={0} role="slider" aria-label="Time" aria-valuemin={0} aria-valuemax={n - 1} aria-valuenow={at ?? n - 1}
      aria-valuetext={from === undefined ? `${n} bars of ${lengthName(bars.width)}` : `${moment(from, local)}, ${lengthName(bars.width)}: ${entries(bar?.total ?? 0)}`}
      onPointerDown={down} onPointerMove={move} onPointerUp={up} onPointerCancel={() => setBrush(undefined)} onPointerLeave={() => setAt(undefined)} onBlur={() => setAt(undefined)}
      onDblClick={out} onKeyDown={keys}>
      {width > 0 && <Drawing bars={bars} width={width} barWidth={barWidth} at={at} />}
      <span class="peak" aria-hidden="true">{short(bars.most)}</span>
      {brush && Math.abs(brush.to - brush.from) > 4 && (
        <div class="brush" style={{ left: `${Math.min(brush.from, brush.to)}px`, width: `${Math.abs(brush.to - brush.from)}px` }}>
          <span>{lengthName(Math.max(bars.width, Math.abs(timeAt(brush.to) - timeAt(brush.from))))}</span>
        </div>
      )}
      {from !== undefined && !brush && <Tip bars={bars} bar={bar} from={from} local={local} left={((at! + 0.5) * barWidth)} width={width} />}
      <div class="axis" aria-hidden="true">
        {ticksOf(bars.start, bars.end, Math.max(2, width / 90), local).map((t) => {
          const left = ((t.at - bars.start) / (bars.end - bars.start)) * width
          return left > width - 24 ? null : <span style={{ left: `${left}px` }} class={left < 24 ? 'first' : ''}>{t.text}</span>
        })}
      </div>
    </div>
  )
}

function Drawing({ bars, width, barWidth, at }: { bars: Bars; width: number; barWidth: number; at: number | undefined }): JSX.Element {
  const gap = barWidth > 6 ? 1.5 : barWidth > 3 ? 1 : 0
  const scale = (height - head) / Math.max(1, bars.most)
  return (
    <svg width={width} height={height} aria-hidden="true">
      <line x1="0" x2={width} y1={head - 0.5} y2={head - 0.5} class="top" />
      {at !== undefined && <rect class="under" x={at * barWidth} y="0" width={barWidth} height={height} />}
      {bars.bars.map((b) => {
        const left = ((b.at - bars.start) / bars.width) * barWidth
        let y = height
        return [...b.counts, b.total - sum(b.counts)].map((n, i) => {
          if (n <= 0) return null
          const size = Math.max(n * scale, b.total === n ? 1.5 : 0)
          y -= size
          return <rect class={i < b.counts.length ? `c${i}` : b.counts.length ? 'rest' : 'c0'} x={left + gap / 2} y={y} width={Math.max(0.5, barWidth - gap)} height={size} />
        })
      })}
    </svg>
  )
}

function Tip({ bars, bar, from, local, left, width }: { bars: Bars; bar: Bar | undefined; from: number; local: boolean; left: number; width: number }): JSX.Element {
  const to = from + bars.width
  const rest = bar ? bar.total - sum(bar.counts) : 0
  return (
    <div class={`tip ${left > width / 2 ? 'flip' : ''}`} style={left > width / 2 ? { right: `${width - left + 8}px` } : { left: `${left + 8}px` }} aria-hidden="true">
      <b>{when(from, to, bars.width, local)}</b>
      <span class="sum">{entries(bar?.total ?? 0)}</span>
      {bar && bars.names.map((name, i) => (bar.counts[i]! > 0 ? <span><i class={`c${i}`} />{name}<em>{count(bar.counts[i]!)}</em></span> : null))}
      {rest > 0 && bars.names.length > 0 && <span><i class="rest" />others<em>{count(rest)}</em></span>}
    </div>
  )
}

function when(from: number, to: number, width: number, local: boolean): string {
  if (width >= day) return width === day ? date(from, local) : `${date(from, local)} – ${date(to - hour, local)}`
  const cut = (ms: number): string => (width >= minute ? clock(ms, local)[0].slice(0, 5) : clock(ms, local)[0])
  return `${date(from, local)}, ${cut(from)} – ${cut(to)}`
}
