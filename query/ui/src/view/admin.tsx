// What administrators do: erase, retention and cleanup. Each says beforehand how many entries it concerns, and wants that number typed.

import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Explorer } from '../explorer'
import { count, entries } from '../format'
import { names } from '../query'
import { nameOf } from '../time'
import { Dialog } from './parts'

const messageOf = (e: unknown): string => (e instanceof Error ? e.message : 'It failed.')

/** Asks for the number of entries before something is done that cannot be undone. */
function Confirm({ n, text, verb, busy, act }: { n: number; text: string; verb: string; busy: boolean; act: () => void }): JSX.Element {
  const [typed, setTyped] = useState('')
  const agreed = typed.replaceAll(/[,. ]/g, '') === String(n)
  return (
    <form onSubmit={(e) => { e.preventDefault(); if (agreed) act() }}>
      <p><b>{entries(n)}</b> {text} Type the number to confirm.</p>
      <label>Number of entries<input autofocus inputMode="numeric" autocomplete="off" value={typed} onInput={(e) => setTyped(e.currentTarget.value)} /></label>
      <button type="submit" class="primary danger" disabled={busy || !agreed}>{verb} {count(n)}</button>
    </form>
  )
}

/** Erases what is filtered. */
export function Erase({ x, close }: { x: Explorer; close: () => void }): JSX.Element {
  const [n, setN] = useState<number>()
  const [said, setSaid] = useState('')
  const [busy, setBusy] = useState(false)
  const [view] = useState(x.view) // another one can be asked for behind the dialog
  const [params] = useState(() => {
    const p = x.params
    if (p.has('startDate') && !p.has('endDate')) p.set('endDate', new Date(x.now).toISOString()) // no more than what was counted
    return p
  })
  const excluded = view.filters.filter((f) => f.not)
  const all = [...params.keys()].every((k) => k === 'tenant')
  useEffect(() => {
    if (all || excluded.length > 0) return
    const asked = new AbortController()
    x.api.count(params, asked.signal).then(setN, (e: unknown) => setSaid(messageOf(e)))
    return () => asked.abort()
  }, [])
  const erase = async (): Promise<void> => {
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
        {view.filters.map((f) => <li>{names[f.field]} {f.not ? '≠' : '='} <b>{f.value}</b></li>)}
        {view.search && <li>search <b>{view.search}</b></li>}
        {view.tenant && <li>tenant = <b>{view.tenant}</b></li>}
        <li>{nameOf(view.span, view.local)}</li>
      </ul>
      {all && <p>Choose a filter or a window first: everything cannot be erased here.</p>}
      {excluded.length > 0 && <p>Erasing takes no filters that exclude. Remove {excluded.map((f) => `${names[f.field]} ≠ ${f.value}`).join(', ')} first.</p>}
      {n !== undefined && n > 0 && <Confirm n={n} text="will be erased for good." verb={busy ? 'Erasing' : 'Erase'} busy={busy} act={() => void erase()} />}
      {n === 0 && !said && <p>No entry matches.</p>}
      {said && <p role="status">{said}</p>}
    </Dialog>
  )
}

const validDays = (text: string, most: number): boolean => /^[1-9]\d{0,3}$/.test(text) && Number(text) <= most

const mostDays = 3650

/** How many entries a number of days concerns. What is confirmed is what was counted, whatever has been typed since. */
interface Found {
  days: number
  n: number
}

/** The tenant that a dialog is about, where administrators of all tenants have chosen one. */
const Tenant = ({ tenant }: { tenant: string }): JSX.Element | null => (tenant ? <ul class="conditions"><li>tenant = <b>{tenant}</b></li></ul> : null)

/** The input of both dialogs, which cannot be changed while an answer for its number is awaited. */
function Days({ days, busy, write }: { days: string; busy: boolean; write: (text: string) => void }): JSX.Element {
  return (
    <>
      <label>Days<input autofocus inputMode="numeric" autocomplete="off" readOnly={busy} value={days} onInput={(e) => write(e.currentTarget.value)} /></label>
      {days !== '' && !validDays(days, mostDays) && <p class="fault" role="alert">Write a number from 1 to {count(mostDays)}.</p>}
    </>
  )
}

/** How long entries are visible. A shorter retention, which hides entries, is confirmed with their number. */
export function Retention({ x, close }: { x: Explorer; close: () => void }): JSX.Element {
  const now = useRetention(x)
  const { days } = now
  const [hides, setHides] = useState<Found>()
  const [busy, setBusy] = useState(false)
  const set = async (days: number, confirm?: number): Promise<void> => {
    setBusy(true)
    try {
      const done = await x.api.setRetention(days, confirm === undefined ? { dryRun: true } : { confirm }, now.tenant)
      if (confirm === undefined && done.deletedCount === 0) return await set(days, 0)
      setHides(done.dryRun ? { days, n: done.deletedCount } : undefined)
      if (!done.dryRun) {
        now.set(days, `Entries are visible for ${days} days now.`)
        void x.run()
      }
    } catch (e) {
      now.say(messageOf(e))
    }
    setBusy(false)
  }
  const write = (text: string): void => {
    now.write(text)
    setHides(undefined)
    now.say('')
  }
  return (
    <Dialog label="Retention" close={close}>
      <form onSubmit={(e) => { e.preventDefault(); if (!busy) void set(Number(days)) }}>
        <Tenant tenant={now.tenant} />
        <p>Entries are visible for this many days after the day (UTC) on which they were received.</p>
        <Days days={days} busy={busy} write={write} />
        {!hides && <button type="submit" class="primary" disabled={busy || !validDays(days, mostDays) || Number(days) === now.is}>Set</button>}
      </form>
      {hides && <Confirm n={hides.n} text={`will no longer be visible with ${hides.days} days.`} verb="Hide" busy={busy} act={() => void set(hides.days, hides.n)} key={hides.n} />}
      {now.said && <p role="status">{now.said}</p>}
    </Dialog>
  )
}

/** Erases what was received long ago, whatever the retention. How many that is, a dry run of that retention says. */
export function Cleanup({ x, close }: { x: Explorer; close: () => void }): JSX.Element {
  const now = useRetention(x)
  const { days } = now
  const [found, setFound] = useState<Found>()
  const [busy, setBusy] = useState(false)
  const work = async (act: () => Promise<void>): Promise<void> => {
    setBusy(true)
    try {
      await act()
    } catch (e) {
      now.say(messageOf(e))
    }
    setBusy(false)
  }
  const look = (days: number): Promise<void> => work(async () => {
    const { deletedCount: n } = await x.api.setRetention(days, { dryRun: true }, now.tenant)
    setFound(n > 0 ? { days, n } : undefined)
    now.say(n === 0 ? `No visible entry was received more than ${days} days ago.` : '')
  })
  const clean = (days: number): Promise<void> => work(async () => {
    now.say(`${entries(await x.api.cleanup(days, now.tenant))} erased.`)
    setFound(undefined)
    void x.run()
  })
  const write = (text: string): void => {
    now.write(text)
    setFound(undefined)
    now.say('')
  }
  return (
    <Dialog label="Clean up" close={close}>
      <form onSubmit={(e) => { e.preventDefault(); if (!busy) void look(Number(days)) }}>
        <Tenant tenant={now.tenant} />
        <p>Erases for good what was received more than this many days (UTC) ago{now.is !== undefined && `; the retention is ${count(now.is)} days`}.</p>
        <Days days={days} busy={busy} write={write} />
        {!found && <button type="submit" disabled={busy || !validDays(days, mostDays)}>Count what it erases</button>}
      </form>
      {found && <Confirm n={found.n} text={`received more than ${found.days} days ago will be erased for good.`} verb={busy ? 'Erasing' : 'Erase'} busy={busy} act={() => void clean(found.days)} key={found.n} />}
      {now.said && <p role="status">{now.said}</p>}
    </Dialog>
  )
}

interface Retained {
  tenant: string // the one of which entries are counted, whatever is shown behind the dialog
  is: number | undefined // days
  days: string // what the input holds: the retention as it is, until something else is typed
  write: (text: string) => void
  set: (days: number, text: string) => void
  said: string
  say: (text: string) => void
}

/** The retention as it is, what is typed, and what the dialog says. */
function useRetention(x: Explorer): Retained {
  const [tenant] = useState(x.view.tenant)
  const [is, setIs] = useState<number>()
  const [typed, write] = useState<string>()
  const [said, say] = useState('')
  useEffect(() => {
    x.api.retention(tenant).then((d) => setIs((before) => before ?? d), (e: unknown) => say(messageOf(e)))
  }, [])
  const days = typed ?? (is === undefined ? '' : String(is))
  return { tenant, is, days, write, set: (d, text) => { setIs(d); say(text) }, said, say }
}
