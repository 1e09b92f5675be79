import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { aborted, root, type Item } from '../api'
import { changeKeys, changesOf, isObject, type Change, type JSONValue } from '../change'
import type { Explorer } from '../explorer'
import { curl } from '../format'
import { blank, excludable, names, paramsOf, withFilter, type Field, type View } from '../query'
import { ago, clock, moment } from '../time'
import { phrasesOf } from '../words'
import { actorOf, brief, lineOf } from './columns'
import { Copy, Icon, Marked } from './parts'
import { Tree } from './tree'

const tabs = ['Fields', 'JSON', 'Around'] as const

/** The open entry. */
export function Drawer({ x }: { x: Explorer }): JSX.Element {
  const [tab, setTab] = useState<(typeof tabs)[number]>('Fields')
  const { value: item, fault, busy } = x.entry
  const close = (): void => x.go({ entry: '' })
  return (
    <aside class="drawer" aria-label="Entry">
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
          {tab === 'Fields' && <FieldList x={x} item={item} />}
          {tab === 'JSON' && <div class="json"><Tree value={item as unknown as JSONValue} phrases={phrasesOf(x.view.search)} /></div>}
          {tab === 'Around' && <Around x={x} item={item} key={item.id} />}
        </div>
      ) : (
        <div class="content">{busy ? <p class="note">Loading…</p> : <p class="note" role="alert">{fault instanceof Error ? fault.message : 'This entry is not there.'}</p>}</div>
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
  const history = (change: Partial<View>): void => x.go({ ...change, search: '', span: { last: 'all' }, entry: '' })
  const url = `${location.origin}${root}/${item.id}${x.view.tenant ? `?tenant=${encodeURIComponent(x.view.tenant)}` : ''}`
  return (
    <footer>
      <Copy text={() => JSON.stringify(item, null, 2)} label="Copy entry"><Icon name="copy" />Copy</Copy>
      <Copy text={() => x.link(item.id)} label="Copy link"><Icon name="link" />Link</Copy>
      <Copy text={() => curl(url, x.api.signedIn)} label="Copy as curl">curl</Copy>
      <span class="grow" />
      {item.serial && <button type="button" title="Everything of this device" onClick={() => history({ filters: [{ field: 'serial', not: false, value: item.serial! }] })}>Device history</button>}
      {!item.serial && actorOf(item) && <button type="button" title="Everything of this actor" onClick={() => history({ filters: [actorFilter(item)] })}>Actor history</button>}
    </footer>
  )
}

/** The filter username means the name or, where there is none, the id. */
const actorFilter = (i: Item): { field: Field; not: boolean; value: string } => ({ field: i.username || !i.userId ? 'username' : 'userId', not: false, value: i.username ?? i.userId ?? '' })

interface Line {
  name: string
  value: string
  field?: Field
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
  if (i.targets) return i.targets.map((t) => ({ name: t.type, value: t.name ? `${t.name} (${t.id})` : t.id }))
  if (!i.targetType || (i.targetType === 'DEVICE' && i.targetId === i.serial)) return []
  return [{ name: 'Target type', value: i.targetType, field: 'targetType' }, { name: 'Target id', value: i.targetId ?? '', field: 'targetId', mono: true }]
}

function FieldList({ x, item }: { x: Explorer; item: Item }): JSX.Element {
  const phrases = phrasesOf(x.view.search)
  const details = item.details ?? {}
  const changes = changesOf(details)
  const hidden = changes.length > 0 ? changeKeys(details) : new Set<string>()
  const rest = Object.entries(details).filter(([name, v]) => !hidden.has(name) && !(name === 'detail' && typeof v === 'string'))
  return (
    <>
      {typeof details.detail === 'string' && <p class="detail"><Marked text={details.detail} phrases={phrases} /></p>}
      {changes.length > 0 && <Changes changes={changes} />}
      <dl>
        <dt>Time</dt>
        <dd><span>{moment(Date.parse(item.createdAt), x.view.local)} <em>{ago(Date.parse(item.createdAt), Date.now())}</em></span></dd>
        {linesOf(item).map((l) => <Value x={x} line={l} phrases={phrases} />)}
        <Value x={x} line={{ name: 'Id', value: item.id, mono: true }} phrases={[]} />
      </dl>
      {rest.length > 0 && (
        <>
          <h3>Details</h3>
          <div class="json">{rest.map(([name, v]) => <Tree name={name} value={v} phrases={phrases} depth={1} key={name} />)}</div>
        </>
      )}
    </>
  )
}

function Value({ x, line, phrases }: { x: Explorer; line: Line; phrases: string[][] }): JSX.Element {
  const { name, value, field } = line
  const filter = (not: boolean): void => x.go({ filters: withFilter(x.view.filters, { field: field!, not, value }) })
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <span class={line.mono ? 'mono' : ''}><Marked text={value} phrases={phrases} /></span>
        <span class="ops">
          {field && <button type="button" class="quiet" aria-label={`Only ${names[field]} ${value}`} title="Show these only" onClick={() => filter(false)}>=</button>}
          {field && excludable.has(field) && <button type="button" class="quiet" aria-label={`Exclude ${names[field]} ${value}`} title="Exclude these" onClick={() => filter(true)}>≠</button>}
          <Copy class="quiet" text={() => value} label={`Copy ${name}`}><Icon name="copy" /></Copy>
        </span>
      </dd>
    </>
  )
}

function Changes({ changes }: { changes: Change[] }): JSX.Element {
  const show = (v: JSONValue | undefined): string => (isObject(v) || Array.isArray(v) ? JSON.stringify(v) : brief(v))
  return (
    <table class="changes">
      <caption>Changes</caption>
      <thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
      <tbody>
        {changes.slice(0, 100).map((c) => <tr><th scope="row">{c.name}</th><td class="old">{c.before === undefined ? '–' : show(c.before)}</td><td class="new">{c.after === undefined ? '–' : show(c.after)}</td></tr>)}
      </tbody>
    </table>
  )
}

/** How many entries before and after the open one are shown. */
const near = 10

/** What happened just before and after, with the same device or actor, or at all. */
function Around({ x, item }: { x: Explorer; item: Item }): JSX.Element {
  const choices: [name: string, filters: View['filters']][] = [['everything', []]]
  const who = actorOf(item)
  if (who && (item.username || item.userId)) choices.unshift([`actor ${who}`, [actorFilter(item)]])
  if (item.serial) choices.unshift([`device ${item.serial}`, [{ field: 'serial', not: false, value: item.serial }]])
  const [of, setOf] = useState(0)
  const [found, setFound] = useState<{ items?: Item[]; fault?: string }>({})
  const at = Date.parse(item.createdAt)
  useEffect(() => {
    const asked = new AbortController()
    const view = { ...blank, filters: choices[of]![1], tenant: x.view.tenant }
    const read = (side: 'asc' | 'desc'): Promise<Item[]> => {
      const p = paramsOf(view, side === 'asc' ? { start: at } : { end: at })
      p.set('pageSize', String(near + 1))
      p.set('sort', `createdAt:${side}`)
      return x.api.list(p, asked.signal).then((page) => page.items)
    }
    Promise.all([read('asc'), read('desc')]).then(
      ([after, before]) => setFound({ items: joined(after, before, item) }),
      (e: unknown) => !aborted(e) && setFound({ fault: e instanceof Error ? e.message : 'not read' }),
    )
    return () => asked.abort()
  }, [of, item.id])
  return (
    <div class="around">
      <label>Around it, of <select value={of} onChange={(e) => { setFound({}); setOf(Number(e.currentTarget.value)) }}>{choices.map(([name], i) => <option value={i}>{name}</option>)}</select></label>
      {found.fault && <p class="fault" role="alert">{found.fault}</p>}
      {!found.items && !found.fault && <p class="note">Loading…</p>}
      <ol>
        {found.items?.map((i) => (
          <li class={i.id === item.id ? 'this' : ''}>
            <button type="button" aria-current={i.id === item.id} onClick={() => x.go({ entry: i.id })}>
              <time>{clock(Date.parse(i.createdAt), x.view.local).join('')}<em>{distance(Date.parse(i.createdAt) - at)}</em></time>
              <b>{i.action}</b>
              <span>{lineOf(i)}</span>
            </button>
          </li>
        ))}
      </ol>
      {found.items && <button type="button" onClick={() => x.go({ filters: choices[of]![1], search: '', span: { from: at - 60_000, to: at + 60_000 } })}>Show the minute before and after in the list</button>}
    </div>
  )
}

/** The newest first, each once, the open one among them. */
function joined(after: Item[], before: Item[], item: Item): Item[] {
  const all = new Map([...after.slice(0, near + 1).reverse(), item, ...before].map((i) => [i.id, i]))
  return [...all.values()].sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : -1))
}

function distance(ms: number): string {
  if (ms === 0) return ''
  const size = Math.abs(ms)
  const text = size < 1000 ? `${size} ms` : size < 60_000 ? `${(size / 1000).toFixed(1)} s` : size < 3_600_000 ? `${Math.round(size / 60_000)} min` : size < 86_400_000 ? `${Math.round(size / 3_600_000)} h` : `${Math.round(size / 86_400_000)} d`
  return `${ms < 0 ? '−' : '+'}${text}`
}
