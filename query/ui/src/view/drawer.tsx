import type { JSX } from 'preact'
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { Fault, root, type Item } from '../api'
import { changeKeys, changesOf, type Change, type JSONValue } from '../change'
import type { Explorer } from '../explorer'
import { curl } from '../format'
import { excludable, names, withFilter, type Field, type Filter, type View } from '../query'
import { ago, distance, moment } from '../time'
import { mostMarks, phrasesOf, shareOf } from '../words'
import { Around } from './around'
import { actorFilter, actorOf, targetFilter, targetFilters } from './columns'
import { atOnce, Copy, Icon, Long, Marked, useFirst } from './parts'
import { Members, nameLength, Tree } from './tree'

const tabs = ['Fields', 'JSON', 'Around'] as const

/** The open entry. */
export function Drawer({ x }: { x: Explorer }): JSX.Element {
  const [tab, setTab] = useState<(typeof tabs)[number]>('Fields')
  const { value: item, fault, busy } = x.opened
  const phrases = useMemo(() => phrasesOf(x.view.search), [x.view.search])
  const close = (): void => x.go({ entry: '' })
  const box = useRef<HTMLElement>(null)
  useLayoutEffect(() => () => { // the focus would be lost with the drawer
    if (box.current?.contains(document.activeElement)) document.querySelector<HTMLElement>('[role=grid]')?.focus({ preventScroll: true })
  }, [])
  return (
    <aside class="drawer" aria-label="Entry" ref={box}>
      <header>
        <div>
          <h2>{item ? item.action : busy ? '…' : 'Not shown'}</h2>
          {item && <p>{subtitle(item, x)}</p>}
        </div>
        <button type="button" class="quiet square" aria-label="Close entry" title="Close (Esc)" onClick={close}><Icon name="close" /></button>
      </header>
      {item && (
        <div class="tabs" role="tablist" aria-label="Parts of the entry">
          {tabs.map((name) => <button type="button" role="tab" id={`tab-${name}`} aria-selected={tab === name} aria-controls="tab-panel" onClick={() => setTab(name)}>{name}</button>)}
        </div>
      )}
      {item ? (
        <div class="content" id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
          {tab === 'Fields' && <FieldList x={x} item={item} phrases={phrases} />}
          {tab === 'JSON' && <div class="json"><Tree value={item as unknown as JSONValue} phrases={phrases} most={mostMarks.details} key={item.id} /></div>}
          {tab === 'Around' && <Around x={x} item={item} key={item.id} />}
        </div>
      ) : (
        <div class="content">{busy ? <p class="note">Loading…</p> : <p class="note" role="alert">{fault instanceof Fault && fault.status !== 404 ? fault.message : 'No entry has this id. It may have been erased, or be past the retention.'}</p>}</div>
      )}
      {item && <Acts x={x} item={item} />}
    </aside>
  )
}

function subtitle(item: Item, x: Explorer): string {
  const who = actorOf(item)
  const on = item.serial ? ` on ${item.serial}` : ''
  return `${who}${on}${who || on ? ' · ' : ''}${moment(Date.parse(item.createdAt), x.view.local)}${x.view.local ? '' : ' UTC'}`
}

function Acts({ x, item }: { x: Explorer; item: Item }): JSX.Element {
  const url = `${location.origin}${root}/${item.id}${x.view.tenant ? `?tenant=${encodeURIComponent(x.view.tenant)}` : ''}`
  return (
    <footer>
      <Copy text={() => JSON.stringify(item, null, 2)} label="Copy entry"><Icon name="copy" />Copy</Copy>
      <Copy text={() => x.link(item.id)} label="Copy link"><Icon name="link" />Link</Copy>
      <Copy text={() => curl(url, x.api.signedIn)} label="Copy as curl">curl</Copy>
      <span class="grow" />
      <History x={x} item={item} />
    </footer>
  )
}

/** Everything of the entry's device, actor or target, in one click. */
function History({ x, item }: { x: Explorer; item: Item }): JSX.Element {
  const go = (filters: Filter[]): void => x.go({ filters, search: '', span: { last: 'all' }, entry: '' } satisfies Partial<View>)
  const target = targetFilters(item)
  return (
    <div class="history" role="group" aria-label="History">
      <span>History of</span>
      {item.serial && <button type="button" title="Everything of this device" onClick={() => go([{ field: 'serial', not: false, value: item.serial! }])}>Device</button>}
      {(item.username || item.userId) && <button type="button" title="Everything of this actor" onClick={() => go([actorFilter(item)])}>Actor</button>}
      {target.length > 0 && <button type="button" title="Everything of this target" onClick={() => go(target)}>Target</button>}
    </div>
  )
}

interface Line {
  name: string
  value: string
  field?: Field
  only?: Filter[] // what selects it, where that is more than one filter
  mono?: boolean
}

function linesOf(i: Item): Line[] {
  const all: (Line | undefined)[] = [
    { name: 'Action', value: i.action, field: 'action' },
    i.username ? { name: 'Actor', value: i.username, field: 'username' } : undefined,
    i.user?.name ? { name: 'Name', value: i.user.name } : undefined,
    i.userId ? { name: 'Actor id', value: i.userId, field: 'userId', mono: true } : undefined,
    i.user?.role ? { name: 'Role', value: i.user.role } : undefined,
    i.serial ? { name: 'Device', value: i.serial, field: 'serial', mono: true } : undefined,
    i.platform ? { name: 'Platform', value: i.platform, field: 'platform' } : undefined,
    ...targetLines(i),
    i.requestId ? { name: 'Request', value: i.requestId, field: 'requestId', mono: true } : undefined,
    i.ipAddress ? { name: 'IP address', value: i.ipAddress, mono: true } : undefined,
    i.userAgent ? { name: 'User agent', value: i.userAgent } : undefined,
    i.layer ? { name: 'Layer', value: i.layer } : undefined,
    i.tenant ? { name: 'Tenant', value: i.tenant } : undefined,
  ]
  return all.filter((l) => l !== undefined)
}

function targetLines(i: Item): Line[] {
  if (i.targets) return i.targets.map((t) => ({ name: t.type, value: t.name ? `${t.name} (${t.id})` : t.id, only: targetFilter(t.type, t.id) }))
  if (!i.targetType || (i.targetType === 'DEVICE' && i.targetId === i.serial)) return []
  return [{ name: 'Target type', value: i.targetType, field: 'targetType' }, { name: 'Target id', value: i.targetId ?? '', field: 'targetId', mono: true }]
}

function FieldList({ x, item, phrases }: { x: Explorer; item: Item; phrases: string[][] }): JSX.Element {
  const { detail, changes, rest } = useMemo(() => partsOf(item.details ?? {}), [item])
  const lines = linesOf(item)
  return (
    <>
      {detail !== undefined && <p class="detail"><Long text={detail} phrases={phrases} most={mostMarks.detail} /></p>}
      {changes.length > 0 && <Changes changes={changes} phrases={phrases} key={item.id} />}
      <dl>
        <dt>Time</dt>
        <dd><span>{moment(Date.parse(item.createdAt), x.view.local)} <em>{ago(Date.parse(item.createdAt), Date.now())}</em></span></dd>
        <dt>Received</dt>
        <dd><Received x={x} item={item} /></dd>
        {lines.map((l) => <Value x={x} line={l} phrases={phrases} most={shareOf(mostMarks.details, lines.length)} />)}
        <Value x={x} line={{ name: 'Id', value: item.id, mono: true }} phrases={phrases} most={0} />
      </dl>
      {rest.length > 0 && (
        <>
          <h3>Details</h3>
          <div class="json"><Members members={rest} phrases={phrases} most={mostMarks.details} depth={1} key={item.id} /></div>
        </>
      )}
    </>
  )
}

/** The detail, what has changed, and the other details. */
function partsOf(details: NonNullable<Item['details']>): { detail: string | undefined; changes: Change[]; rest: [string, JSONValue][] } {
  const detail = typeof details.detail === 'string' ? details.detail : undefined
  const changes = changesOf(details)
  const hidden = changes.length > 0 ? changeKeys(details) : new Set<string>()
  if (detail !== undefined) hidden.add('detail')
  return { detail, changes, rest: Object.entries(details).filter(([name]) => !hidden.has(name)) }
}

/** When the service received the entry, and how long after it happened. */
function Received({ x, item }: { x: Explorer; item: Item }): JSX.Element {
  const { fault, busy } = x.opened
  if (!item.receivedAt) return <span class="note">{busy ? '…' : fault instanceof Fault && fault.status === 404 ? 'It is no longer stored.' : 'not known'}</span>
  const at = Date.parse(item.receivedAt)
  const late = at - Date.parse(item.createdAt)
  return <span>{moment(at, x.view.local)} <em>{late === 0 ? 'at once' : late > 0 ? `${distance(late)} later` : `${distance(-late)} earlier: a clock was ahead`}</em></span>
}

function Value({ x, line, phrases, most }: { x: Explorer; line: Line; phrases: string[][]; most: number }): JSX.Element {
  const { name, value, field, only } = line
  const filter = (not: boolean): void => x.go(name === 'Tenant' ? { tenant: value } : { filters: withFilter(x.view.filters, { field: field!, not, value }) })
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <span class={line.mono ? 'mono' : ''}><Marked text={value} phrases={phrases} most={most} /></span>
        <span class="ops">
          {only && <button type="button" class="quiet" aria-label={`Only target ${value}`} title="Show these only" onClick={() => x.go({ filters: only.reduce(withFilter, x.view.filters) })}>=</button>}
          {(field || name === 'Tenant') && <button type="button" class="quiet" aria-label={`Only ${field ? names[field] : 'tenant'} ${value}`} title="Show these only" onClick={() => filter(false)}>=</button>}
          {field && excludable.has(field) && <button type="button" class="quiet" aria-label={`Exclude ${names[field]} ${value}`} title="Exclude these" onClick={() => filter(true)}>≠</button>}
          <Copy class="quiet" text={() => value} label={`Copy ${name}`}><Icon name="copy" /></Copy>
        </span>
      </dd>
    </>
  )
}

/** Changed values are shown up to this length at first. */
const valueLength = 400

function Changes({ changes, phrases }: { changes: Change[]; phrases: string[][] }): JSX.Element {
  const texts = useMemo(() => changes.map((c) => ({ name: c.name, before: changed(c.before), after: changed(c.after) })), [changes])
  const [shown, more] = useFirst(texts)
  const most = shareOf(mostMarks.details, 3 * Math.min(texts.length, atOnce))
  return (
    <>
      <table class="changes">
        <caption>Changes</caption>
        <thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
        <tbody>
          {shown.map((c) => (
            <tr>
              <th scope="row"><Long text={c.name} phrases={phrases} most={most} shown={nameLength} /></th>
              <td class="old"><Long text={c.before} phrases={phrases} most={most} shown={valueLength} /></td>
              <td class="new"><Long text={c.after} phrases={phrases} most={most} shown={valueLength} /></td>
            </tr>
          ))}
        </tbody>
      </table>
      {more}
    </>
  )
}

const changed = (v: JSONValue | undefined): string => (v === undefined || v === null ? '–' : typeof v === 'string' ? v : JSON.stringify(v))
