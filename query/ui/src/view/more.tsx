import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { Explorer } from '../explorer'
import { columnNames, fromQuery, standardColumns, toQuery, type Column } from '../query'
import { readSaved, remove, save } from '../saved'
import { Cleanup, Erase, Retention } from './admin'
import { Copy, Icon, Popover } from './parts'

/** What is needed less often: views, columns, the link, and what administrators do. */
export function More({ x, help }: { x: Explorer; help: () => void }): JSX.Element {
  const [dialog, setDialog] = useState<'' | 'erase' | 'retention' | 'cleanup'>('')
  const done = (): void => setDialog('')
  const who = x.caller.status
  return (
    <>
      <Popover label="More" class="square" align="end" button={<Icon name="more" />}>
        {(close) => (
          <div class="more">
            <Copy class="choice" text={() => x.link(x.view.entry)}>Copy link to this view</Copy>
            <button type="button" class="choice" onClick={() => { close(); help() }}>Keys</button>
            <Views x={x} close={close} />
            <Display x={x} />
            <Columns x={x} />
            {x.caller.administers && (
              <div class="group" role="group" aria-label="Administration">
                <h2>Administration</h2>
                {x.caller.everywhere && !x.view.tenant ? <p class="note">Filter by one tenant to set its retention or to erase.</p> : (
                  <>
                    <button type="button" class="choice" onClick={() => { close(); setDialog('retention') }}>Retention…</button>
                    <button type="button" class="choice danger" onClick={() => { close(); setDialog('cleanup') }}>Clean up…</button>
                    <button type="button" class="choice danger" onClick={() => { close(); setDialog('erase') }}>Erase what is filtered…</button>
                  </>
                )}
              </div>
            )}
            {x.api.signedIn && (
              <div class="group">
                <p class="note">{who ? `Signed in as ${who.subject} (${who.roles.join(', ') || 'no role'}), tenant ${x.caller.everywhere ? 'all' : who.tenant}, scopes: ${who.scopes.join(', ')}` : 'Signed in'}</p>
                <button type="button" class="choice" onClick={() => { close(); void x.sign('', false) }}>Sign out</button>
              </div>
            )}
          </div>
        )}
      </Popover>
      {dialog === 'erase' && <Erase x={x} close={done} />}
      {dialog === 'retention' && <Retention x={x} close={done} />}
      {dialog === 'cleanup' && <Cleanup x={x} close={done} />}
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
  const move = (c: Column, by: -1 | 1): void => {
    const i = columns.indexOf(c)
    x.go({ columns: columns.with(i, columns[i + by]!).with(i + by, c) }, true)
  }
  return (
    <div class="group" role="group" aria-label="Columns">
      <h2>Columns {columns.join() !== standardColumns.join() && <button type="button" class="quiet" onClick={() => x.go({ columns: standardColumns }, true)}>Reset</button>}</h2>
      {order.map((c) => (
        <div class="line" key={c}>
          <label class="check"><input type="checkbox" checked={columns.includes(c)} onChange={() => toggle(c)} />{columnNames[c]}</label>
          {columns.indexOf(c) > 0 && <button type="button" class="quiet square" aria-label={`Move ${columnNames[c]} forward`} title="Forward" onClick={() => move(c, -1)}><Icon name="up" /></button>}
          {columns.includes(c) && columns.at(-1) !== c && <button type="button" class="quiet square" aria-label={`Move ${columnNames[c]} back`} title="Back" onClick={() => move(c, 1)}><Icon name="down" /></button>}
        </div>
      ))}
    </div>
  )
}

/** What this reader prefers, whatever is looked at. */
function Display({ x }: { x: Explorer }): JSX.Element {
  const { look, view } = x
  return (
    <div class="group" role="group" aria-label="Display">
      <h2>Display</h2>
      <Either label="Rows" options={['Comfortable', 'Compact']} second={look.compact} choose={(compact) => x.setLook({ compact })} />
      <Either label="Times" options={['Absolute', 'Relative']} second={look.relative} choose={(relative) => x.setLook({ relative })} />
      <Either label="Zone" options={['UTC', 'Local']} second={view.local} choose={(local) => x.go({ local }, true)} />
    </div>
  )
}

function Either({ label, options, second, choose }: { label: string; options: [string, string]; second: boolean; choose: (second: boolean) => void }): JSX.Element {
  return (
    <div class="line either" role="group" aria-label={label}>
      <span>{label}</span>
      {options.map((name, i) => <button type="button" aria-pressed={second === (i === 1)} onClick={() => choose(i === 1)}>{name}</button>)}
    </div>
  )
}
