import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Explorer } from '../explorer'
import type { Facet } from '../facets'
import { count, short } from '../format'
import { names, withFilter, without, type Field, type Filter } from '../query'
import { Icon } from './parts'

const titles: Partial<Record<Field, string>> = { action: 'Action', platform: 'Platform', serial: 'Device', username: 'Actor', targetType: 'Target type' }

/** The values of each field with their exact counts: a click filters, the sign beside it excludes. */
export function Facets({ x, open, close }: { x: Explorer; open: boolean; close: () => void }): JSX.Element {
  return (
    <>
      {open && <div class="shade" onClick={close} />}
      <section class={`facets ${open ? 'open' : ''}`} aria-label="Facets">
        <header class="sheet-head">
          <h2>Facets</h2>
          <button type="button" class="quiet square" aria-label="Close facets" onClick={close}><Icon name="close" /></button>
        </header>
        {x.facets.all.map((f) => <One x={x} f={f} key={f.field} />)}
      </section>
    </>
  )
}

function One({ x, f }: { x: Explorer; f: Facet }): JSX.Element | null {
  const [searching, setSearching] = useState(false)
  const title = titles[f.field]!
  if (f.state === 'ready' && f.groups.length === 0 && !f.match) return null // nothing has such a value, or the list could not be read
  const most = Math.max(1, ...f.groups.map((g) => g.count))
  const first = f.groups.length === 0 && f.state === 'loading' && !f.match
  return (
    <div class={`facet ${f.state === 'loading' ? 'busy' : ''}`} role="group" aria-label={title}>
      <h2>{title}</h2>
      {first && [80, 60, 45].map((w) => <div class="f ghost"><span style={{ width: `${w}%` }} /></div>)}
      {f.state === 'failed' && <button type="button" class="quiet" onClick={() => x.facets.search(f, f.match)}>Not counted · Retry</button>}
      {(searching || f.match) && <Find x={x} f={f} close={() => setSearching(false)} />}
      {f.groups.map((g) => <Value x={x} field={f.field} value={g.value!} n={g.count} share={g.count / most} key={g.value} />)}
      {f.match && f.state === 'ready' && f.groups.length === 0 && <p class="note">No {names[f.field]} contains this.</p>}
      <div class="under">
        {f.other > 0 && f.top < 100 && <button type="button" class="quiet" aria-label={`More ${title.toLowerCase()} values`} onClick={() => x.facets.more(f)}>More</button>}
        {f.top > 6 && <button type="button" class="quiet" aria-label={`Fewer ${title.toLowerCase()} values`} onClick={() => x.facets.fewer(f)}>Fewer</button>}
        {f.other > 0 && !searching && !f.match && <button type="button" class="quiet" aria-label={`Find ${title.toLowerCase()}`} onClick={() => setSearching(true)}>Find…</button>}
      </div>
    </div>
  )
}

function Find({ x, f, close }: { x: Explorer; f: Facet; close: () => void }): JSX.Element {
  const box = useRef<HTMLInputElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => box.current!.focus(), [])
  const input = (e: Event): void => {
    const value = (e.currentTarget as HTMLInputElement).value.trim()
    clearTimeout(timer.current)
    timer.current = setTimeout(() => x.facets.search(f, value), 250)
  }
  const keys = (e: KeyboardEvent): void => {
    if (e.key !== 'Escape') return
    clearTimeout(timer.current)
    if (f.match) x.facets.search(f, '')
    close()
  }
  return <input class="find" aria-label={`Find ${titles[f.field]!.toLowerCase()}`} placeholder="contains…" ref={box} onInput={input} onKeyDown={keys} autocomplete="off" />
}

function Value({ x, field, value, n, share }: { x: Explorer; field: Field; value: string; n: number; share: number }): JSX.Element {
  const on = x.view.filters.find((f) => f.field === field && f.value === value)
  const toggle = (not: boolean): void => {
    const f: Filter = { field, not, value }
    x.go({ filters: on && on.not === not ? without(x.view.filters, on) : withFilter(x.view.filters, f) })
  }
  const what = `${names[field]}: ${value}`
  return (
    <div class={`f ${on ? (on.not ? 'off' : 'on') : ''}`}>
      <button type="button" class="value" aria-pressed={on ? !on.not : false} title={value} onClick={() => toggle(false)}>
        <span><span class="heard">{names[field]}: </span>{value}<span class="heard">, {count(n)}</span></span>
        <b aria-hidden="true">{short(n)}</b>
      </button>
      <button type="button" class="not" aria-label={`Exclude ${what}`} aria-pressed={on ? on.not : false} title="Exclude" onClick={() => toggle(true)}><Icon name="not" /></button>
      <i style={{ width: `${Math.max(1.5, share * 100)}%` }} aria-hidden="true" />
    </div>
  )
}
