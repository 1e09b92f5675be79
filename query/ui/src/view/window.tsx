import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { Explorer } from '../explorer'
import { field, lasts, nameOf, parse, type Span } from '../time'
import { Icon, Popover } from './parts'

/** Chooses the window: the last so long, or from and to. */
export function WindowPicker({ x }: { x: Explorer }): JSX.Element {
  const name = nameOf(x.view.span, x.view.local)
  return (
    <Popover
      id="window"
      label={`Time window: ${name}`}
      class="menu"
      align="end"
      button={<><span class="name">{name}</span><Icon name="down" /></>}
    >
      {(close) => <Choice x={x} close={close} />}
    </Popover>
  )
}

function Choice({ x, close }: { x: Explorer; close: () => void }): JSX.Element {
  const { span, local } = x.view
  const take = (s: Span): void => {
    x.go({ span: s })
    close()
  }
  return (
    <div class="window">
      <div class="choices" role="group" aria-label="Relative">
        {lasts.map(([code, name]) => (
          <button type="button" class={`choice ${span.last === code ? 'chosen' : ''}`} aria-pressed={span.last === code} onClick={() => take({ last: code })}>
            {name}
          </button>
        ))}
      </div>
      <Absolute x={x} take={take} local={local} />
    </div>
  )
}

function Absolute({ x, take, local }: { x: Explorer; take: (s: Span) => void; local: boolean }): JSX.Element {
  const [from, setFrom] = useState(field(x.bounds.start, local))
  const [to, setTo] = useState(field(x.bounds.end, local))
  const [fault, setFault] = useState('')
  const apply = (e: Event): void => {
    e.preventDefault()
    const start = from.trim() ? parse(from, local, false) : undefined
    const end = to.trim() ? parse(to, local, true) : undefined
    if (from.trim() && start === undefined) setFault('From: write a time such as 2026-11-28 11:42')
    else if (to.trim() && end === undefined) setFault('To: write a time such as 2026-11-28 11:42')
    else if (start !== undefined && end !== undefined && start > end) setFault('From is after to')
    else take(start === undefined && end === undefined ? { last: 'all' } : { from: start, to: end })
  }
  return (
    <form class="absolute" onSubmit={apply}>
      <label>From<input value={from} placeholder="the beginning" onInput={(e) => setFrom(e.currentTarget.value)} autocomplete="off" /></label>
      <label>To<input value={to} placeholder="now" onInput={(e) => setTo(e.currentTarget.value)} autocomplete="off" /></label>
      <p class="note">{local ? 'In this browser’s time zone.' : 'In UTC.'} A date alone is the whole day.</p>
      {fault && <p class="fault" role="alert">{fault}</p>}
      <button type="submit" class="primary">Apply</button>
    </form>
  )
}
