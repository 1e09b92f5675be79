import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Explorer } from '../explorer'
import { ExportMenu } from './export'
import { More } from './more'
import { Icon } from './parts'
import { WindowPicker } from './window'

export function Header({ x, help }: { x: Explorer; help: () => void }): JSX.Element {
  return (
    <header class="top">
      <h1>
        <a class="logo" href={location.pathname} aria-label="activitylog">
          <i aria-hidden="true" />
          <span>activitylog</span>
        </a>
      </h1>
      <Search x={x} />
      <span class="grow" />
      <div class="tools">
        <WindowPicker x={x} />
        <button type="button" class="zone" aria-label={`Time zone: ${x.view.local ? 'local' : 'UTC'}`} title="Show times in UTC or in this browser's time zone" onClick={() => x.go({ local: !x.view.local }, true)}>
          {x.view.local ? 'Local' : 'UTC'}
        </button>
        <LiveButton x={x} />
        {x.caller.exports && <ExportMenu x={x} />}
        <More x={x} help={help} />
      </div>
    </header>
  )
}

/** What is typed is searched for after a pause, or with Enter. */
function Search({ x }: { x: Explorer }): JSX.Element {
  const [text, setText] = useState(x.view.search)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const sent = useRef(x.view.search) // what we have asked for: the reader may have typed on since
  useEffect(() => {
    if (x.view.search !== sent.current) setText(x.view.search)
    sent.current = x.view.search
  }, [x.view.search])
  const run = (value: string, replace: boolean): void => {
    clearTimeout(timer.current)
    sent.current = value.trim()
    if (value.trim() !== x.view.search) x.go({ search: value.trim() }, replace)
  }
  const input = (e: Event): void => {
    const value = (e.currentTarget as HTMLInputElement).value
    setText(value)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => run(value, x.view.search !== ''), 400)
  }
  const keys = (e: KeyboardEvent): void => {
    if (e.key === 'Enter') run(text, false)
    else if (e.key === 'Escape') (e.currentTarget as HTMLElement).blur()
  }
  return (
    <search class="search">
      <Icon name="search" />
      <input id="search" type="search" aria-label="Search" placeholder='Search words or "a phrase"' value={text} autocomplete="off" spellcheck={false} onInput={input} onKeyDown={keys} />
      {text === '' && <kbd aria-hidden="true">/</kbd>}
    </search>
  )
}

function LiveButton({ x }: { x: Explorer }): JSX.Element {
  const { state, paused } = x.live
  const on = state !== 'off'
  const joining = on && state !== 'on'
  const why = joining ? 'Connecting…' : paused ? 'Paused while you read' : x.canFollow ? 'Show entries as they arrive (l)' : 'The window ends in the past: choose one that ends now'
  return (
    <button type="button" class={`live ${on ? 'on' : ''} ${joining ? 'joining' : ''} ${paused ? 'paused' : ''}`} aria-label={paused ? 'Live tail: Paused' : 'Live tail'} aria-pressed={on} disabled={!x.canFollow && !on} title={why} onClick={() => x.toggleLive()}>
      <b aria-hidden="true" />
      <span>{paused ? 'Paused' : 'Live'}</span>
    </button>
  )
}
