// What is shown instead of the list: why it is empty, what failed, and a fresh installation's first steps.

import type { JSX } from 'preact'
import { Fault } from '../api'
import type { Way } from '../empty'
import type { Explorer } from '../explorer'
import { entries, quote } from '../format'
import { names, without } from '../query'
import { nameOf, moment, day } from '../time'
import { Copy } from './parts'

function titleOf(f: unknown): string {
  if (!(f instanceof Fault)) return 'Something in this page failed.'
  if (f.status === 0) return f.message
  return f.status === 403 ? 'Not allowed.' : f.status === 504 ? 'This took too long.' : f.status >= 500 ? 'The service could not answer.' : 'The request was refused.'
}

/** What failed, above a list that was read before. */
export function Stale({ x }: { x: Explorer }): JSX.Element {
  const f = x.fault
  return (
    <div class="stale" role="alert">
      <span><b>{titleOf(f)}</b> {f instanceof Fault && f.status !== 0 && f.message} The list is as it was before.{f instanceof Fault && f.requestId && <> Request id <code>{f.requestId}</code></>}</span>
      <button type="button" onClick={() => void x.run()}>Retry</button>
    </div>
  )
}

export function Failure({ x }: { x: Explorer }): JSX.Element {
  const f = x.fault
  const known = f instanceof Fault
  const title = titleOf(f)
  return (
    <div class="state" role="alert">
      <h2>{title}</h2>
      {known && f.status !== 0 && <p>{f.message}</p>}
      {!known && <p>{String(f)}</p>}
      {known && f.requestId && <p class="note">Request id <code>{f.requestId}</code></p>}
      <div class="acts">
        <button type="button" class="primary" onClick={() => void x.run()}>Retry</button>
        {(x.view.filters.length > 0 || x.view.search) && <button type="button" onClick={() => x.go({ filters: [], search: '' })}>Clear filters</button>}
        {known && f.status === 403 && <button type="button" onClick={() => x.askSignIn()}>Sign in with other credentials</button>}
      </div>
    </div>
  )
}

/** For callers whose role may not read the audit API: what they may do elsewhere, and nothing that would be refused. */
export function Unable({ x }: { x: Explorer }): JSX.Element {
  const who = x.caller.status!
  const auditor = who.roles.some((r) => ['admin', 'analyst'].includes(r.toLowerCase()))
  const read = `curl -H "Authorization: Bearer $TOKEN" ${location.origin}/api/v1/activity_log`
  return (
    <main class="signin unable">
      <div class="box">
        <h1 class="logo"><i aria-hidden="true" />activitylog</h1>
        <p class="fault" role="alert">{auditor ? 'This page needs the scope read.' : 'This page needs the role ADMIN or Analyst.'}</p>
        <dl>
          <dt>Signed in as</dt><dd>{who.subject}</dd>
          <dt>Tenant</dt><dd>{who.tenant}</dd>
          <dt>Roles</dt><dd>{who.roles.join(', ') || 'none'}</dd>
          <dt>Scopes</dt><dd>{who.scopes.join(', ') || 'none'}</dd>
        </dl>
        {who.scopes.includes('read') && <><p>These credentials read entries through the fleet API:</p><Command text={read} /></>}
        <button type="button" class="primary" onClick={() => void x.sign('', false)}>Sign in with other credentials</button>
      </div>
    </main>
  )
}

export function Nothing({ x }: { x: Explorer }): JSX.Element {
  const { view } = x
  const empty = x.empty.value
  const drop = (w: Way): void => {
    if (w.drop === 'search') x.go({ search: '' })
    else if (w.drop === 'window') x.go({ span: empty!.newest === undefined ? { last: 'all' } : { from: empty!.newest - 7 * day, to: empty!.newest } })
    else x.go({ filters: without(view.filters, w.drop) })
  }
  const text = (w: Way): string => {
    if (w.drop === 'search') return `Without the search “${view.search}”`
    if (w.drop === 'window') return 'Outside this window'
    return `Without ${names[w.drop.field]} ${w.drop.not ? '≠' : '='} ${w.drop.value}`
  }
  return (
    <div class="state">
      <h2>No entry matches.</h2>
      <p>Looked in: {nameOf(view.span, view.local).toLowerCase()}.</p>
      {!empty && <p class="note">Looking for what leaves them out…</p>}
      {empty && empty.ways.length > 0 && (
        <ul class="ways">
          {empty.ways.map((w) => (
            <li>
              <span>{text(w)}: <b>{entries(w.count)}</b>{w.drop === 'window' && empty.newest !== undefined && <>, the newest of {moment(empty.newest, view.local)}</>}</span>
              <button type="button" onClick={() => drop(w)}>{w.drop === 'window' ? 'Show them' : 'Drop it'}</button>
            </li>
          ))}
        </ul>
      )}
      {empty && empty.ways.length === 0 && <p class="note">No single filter is the reason. <button type="button" class="quiet" onClick={() => x.go({ filters: [], search: '', span: { last: 'all' } })}>Show everything</button></p>}
    </div>
  )
}

/** A fresh installation. */
export function Welcome({ x }: { x: Explorer }): JSX.Element {
  const credential = x.api.signedIn ? ' -H "Authorization: Bearer $TOKEN"' : ''
  const body = quote('{"action_type":"login","platform":"web","serial":"device-1","username":"ada"}')
  const first = `curl${credential} -X POST ${location.origin}/api/v1/activity_log -d ${body}`
  const read = `curl${credential} ${location.origin}/api/v1/activity_log`
  return (
    <div class="state welcome">
      <h2>Nothing is stored yet.</h2>
      <p>activitylog stores what happened in a fleet of devices and accounts: who did what, on which device, to what, and when. Send the first entry, and it appears here:</p>
      <Command text={first} />
      <p>Read it with the API:</p>
      <Command text={read} />
      <p class="waiting"><i aria-hidden="true" />Waiting for the first entry…</p>
      <ul class="links">
        <li><a href="/openapi.json">API description (OpenAPI)</a></li>
        <li><a href="/readyz">Health</a></li>
        <li><a href="/metrics">Metrics</a></li>
        <li><a href="/version">Version</a></li>
      </ul>
    </div>
  )
}

function Command({ text }: { text: string }): JSX.Element {
  return (
    <div class="command">
      <code>{text}</code>
      <Copy text={() => text} label="Copy command">Copy</Copy>
    </div>
  )
}
