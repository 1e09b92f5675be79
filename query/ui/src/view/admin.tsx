// What administrators do: erase, retention and cleanup. Each says beforehand how many entries it concerns.

import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Explorer } from '../explorer'
import { count, entries } from '../format'
import { names } from '../query'
import { nameOf } from '../time'
import { Dialog } from './parts'

const messageOf = (e: unknown): string => (e instanceof Error ? e.message : 'It failed.')

/** Erases what is filtered. The number has to be typed. */
export function Erase({ x, close }: { x: Explorer; close: () => void }): JSX.Element {
  const [n, setN] = useState<number>()
  const [typed, setTyped] = useState('')
  const [said, setSaid] = useState('')
  const [busy, setBusy] = useState(false)
  const [params] = useState(() => {
    const p = x.params
    if (p.has('startDate') && !p.has('endDate')) p.set('endDate', new Date(x.now).toISOString()) // no more than what was counted
    return p
  })
  const excluded = x.view.filters.filter((f) => f.not)
  const all = [...params.keys()].every((k) => k === 'tenant')
  useEffect(() => {
    if (all || excluded.length > 0) return
    const asked = new AbortController()
    x.api.count(params, asked.signal).then(setN, (e: unknown) => setSaid(messageOf(e)))
    return () => asked.abort()
  }, [])
  const erase = async (e: Event): Promise<void> => {
    e.preventDefault()
    setBusy(true)
    try {
      setSaid(`${entries(await x.api.erase(params))} erased.`)
      setN(0)
      void x.run()
    } catch (e) {
      setSaid(messageOf(e))
    }
    setBusy(false)
  }
  return (
    <Dialog label="Erase what is filtered" close={close}>
      <ul class="conditions">
        {x.view.filters.map((f) => <li>{names[f.field]} {f.not ? '≠' : '='} <b>{f.value}</b></li>)}
        {x.view.search && <li>search <b>{x.view.search}</b></li>}
        <li>{nameOf(x.view.span, x.view.local)}</li>
      </ul>
      {all && <p>Choose a filter or a window first: everything cannot be erased here.</p>}
      {excluded.length > 0 && <p>Erasing takes no filters that exclude. Remove {excluded.map((f) => `${names[f.field]} ≠ ${f.value}`).join(', ')} first.</p>}
      {n !== undefined && n > 0 && (
        <form onSubmit={(e) => void erase(e)}>
          <p><b>{entries(n)}</b> will be erased for good. Type the number to confirm.</p>
          <label>Number of entries<input autofocus inputMode="numeric" autocomplete="off" value={typed} onInput={(e) => setTyped(e.currentTarget.value)} /></label>
          <button type="submit" class="primary danger" disabled={busy || typed.replaceAll(/[,. ]/g, '') !== String(n)}>{busy ? 'Erasing…' : `Erase ${count(n)}`}</button>
        </form>
      )}
      {n === 0 && !said && <p>No entry matches.</p>}
      {said && <p role="status">{said}</p>}
    </Dialog>
  )
}

/** How long entries are kept. */
export function Keeping({ x, close }: { x: Explorer; close: () => void }): JSX.Element {
  const [days, setDays] = useState('')
  const [now, setNow] = useState<number>()
  const [said, setSaid] = useState('')
  useEffect(() => {
    x.api.retention().then((d) => { setNow(d); setDays(String(d)) }, (e: unknown) => setSaid(messageOf(e)))
  }, [])
  const valid = /^[1-9]\d{0,3}$/.test(days)
  const keep = async (e: Event): Promise<void> => {
    e.preventDefault()
    try {
      await x.api.setRetention(Number(days))
      setNow(Number(days))
      setSaid(`Entries are kept for ${days} days now.`)
    } catch (e) {
      setSaid(messageOf(e))
    }
  }
  const clean = async (): Promise<void> => {
    setSaid('Cleaning up…')
    try {
      setSaid(`${entries(await x.api.cleanup(now!))} erased that were received more than ${now} days ago.`)
      void x.run()
    } catch (e) {
      setSaid(messageOf(e))
    }
  }
  return (
    <Dialog label="Retention and cleanup" close={close}>
      <form onSubmit={(e) => void keep(e)}>
        <p>Entries are visible for this many days (UTC) after the day on which they were received. Fewer days hide entries at once.</p>
        <label>Days<input autofocus inputMode="numeric" autocomplete="off" value={days} onInput={(e) => setDays(e.currentTarget.value)} /></label>
        <button type="submit" class="primary" disabled={!valid || Number(days) === now}>Set</button>
        <button type="button" disabled={now === undefined} onClick={() => void clean()}>Clean up now</button>
      </form>
      {said && <p role="status">{said}</p>}
    </Dialog>
  )
}
