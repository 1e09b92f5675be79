import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { Explorer } from '../explorer'
import { columnNames, fromQuery, standardColumns, toQuery, type Column } from '../query'
import { readSaved, remove, save } from '../saved'
import { Erase, Keeping } from './admin'
import { Copy, Icon, Popover } from './parts'

/** What is needed less often: views, columns, the link, and what administrators do. */
export function More({ x, help }: { x: Explorer; help: () => void }): JSX.Element {
  const [dialog, setDialog] = useState<'' | 'erase' | 'retention'>('')
  const done = (): void => setDialog('')
  return (
    <>
      <Popover label="More" class="square" align="end" button={<Icon name="more" />}>
        {(close) => (
          <div class="more">
            <Copy class="choice" text={() => x.link(x.view.entry)}>Copy link to this view</Copy>
            <button type="button" class="choice" onClick={() => { close(); help() }}>Keys</button>
            <Views x={x} close={close} />
            <Columns x={x} />
            {x.may('admin') && (
              <div class="group" role="group" aria-label="Administration">
                <h2>Administration</h2>
                <button type="button" class="choice" onClick={() => { close(); setDialog('retention') }}>Retention and cleanup…</button>
                <button type="button" class="choice danger" onClick={() => { close(); setDialog('erase') }}>Erase what is filtered…</button>
              </div>
            )}
            {x.api.signedIn && (
              <div class="group">
                <p class="note">{x.caller ? `Signed in as ${x.caller.subject}, scopes: ${x.caller.scopes.join(', ')}` : 'Signed in'}</p>
                <button type="button" class="choice" onClick={() => { close(); void x.sign('', false) }}>Sign out</button>
              </div>
            )}
          </div>
        )}
      </Popover>
      {dialog === 'erase' && <Erase x={x} close={done} />}
      {dialog === 'retention' && <Keeping x={x} close={done} />}
    </>
  )
}

function Views({ x, close }: { x: Explorer; close: () => void }): JSX.Element {
  const [all, setAll] = useState(readSaved)
  const [name, setName] = useState('')
  const add = (e: Event): void => {
    e.preventDefault()
    if (!name.trim()) return
    setAll(save({ name: name.trim(), query: toQuery({ ...x.view, entry: '' }) }))
    setName('')
  }
  return (
    <div class="group" role="group" aria-label="Views">
      <h2>Views</h2>
      {all.map((v) => (
        <div class="line">
          <button type="button" class="choice" onClick={() => { close(); x.go(fromQuery(v.query)) }}>{v.name}</button>
          <button type="button" class="quiet square" aria-label={`Remove view ${v.name}`} onClick={() => setAll(remove(v.name))}><Icon name="close" /></button>
        </div>
      ))}
      <form class="line" onSubmit={add}>
        <input aria-label="Name of the view" placeholder="Save this view as…" value={name} onInput={(e) => setName(e.currentTarget.value)} />
        <button type="submit" disabled={!name.trim()}>Save</button>
      </form>
    </div>
  )
}

function Columns({ x }: { x: Explorer }): JSX.Element {
  const { columns } = x.view
  const order = [...columns, ...(Object.keys(columnNames) as Column[]).filter((c) => !columns.includes(c))]
  const toggle = (c: Column): void => {
    const next = columns.includes(c) ? columns.filter((o) => o !== c) : [...columns, c]
    if (next.length > 0) x.go({ columns: next }, true)
  }
  const earlier = (c: Column): void => {
    const i = columns.indexOf(c)
    x.go({ columns: columns.toSpliced(i - 1, 2, c, columns[i - 1]!) }, true)
  }
  return (
    <div class="group" role="group" aria-label="Columns">
      <h2>Columns {columns.join() !== standardColumns.join() && <button type="button" class="quiet" onClick={() => x.go({ columns: standardColumns }, true)}>Reset</button>}</h2>
      {order.map((c) => (
        <div class="line" key={c}>
          <label class="check"><input type="checkbox" checked={columns.includes(c)} onChange={() => toggle(c)} />{columnNames[c]}</label>
          {columns.indexOf(c) > 0 && <button type="button" class="quiet square" aria-label={`Move ${columnNames[c]} forward`} onClick={() => earlier(c)}><Icon name="up" /></button>}
        </div>
      ))}
    </div>
  )
}
