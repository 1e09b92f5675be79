// The page: its parts, and the keys that work everywhere.

import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks'
import type { Explorer } from '../explorer'
import { withFilter } from '../query'
import { Drawer } from './drawer'
import { Facets } from './facets'
import { Foot } from './foot'
import { Grid, type GridControl } from './grid'
import { Header } from './header'
import { Help } from './help'
import { Histogram } from './histogram'
import { Pills } from './pills'
import { SignIn } from './signin'
import { Failure, Nothing, Stale, Unable, Welcome } from './states'

export function App({ x }: { x: Explorer }): JSX.Element {
  const [, draw] = useReducer((n: number) => n + 1, 0)
  const [help, setHelp] = useState(false)
  const [sheet, setSheet] = useState(false) // the facets, where they have no place beside the list
  const grid = useRef<GridControl>(null)
  useEffect(() => x.subscribe(() => draw(undefined as never)), [x])
  useKeys(x, grid, () => setHelp(true))
  useEffect(() => {
    document.title = x.list.total > 0 ? `${x.list.total.toLocaleString('en-US')} entries · activitylog` : 'activitylog'
  })
  if (x.signIn) return <SignIn x={x} />
  if (!x.caller.reads) return <Unable x={x} />
  const open = x.view.entry !== ''
  return (
    <div class={`page ${open ? 'with-drawer' : ''} ${x.look.compact ? 'compact' : ''}`}>
      <Header x={x} help={() => setHelp(true)} />
      <Pills x={x} facets={() => setSheet(!sheet)} />
      <div class="body">
        <Facets x={x} open={sheet} close={() => setSheet(false)} />
        <main class="middle">
          <Histogram x={x} />
          <Content x={x} control={grid} />
        </main>
        {open && <Drawer x={x} />}
      </div>
      <Foot x={x} help={() => setHelp(true)} />
      {help && <Help close={() => setHelp(false)} />}
    </div>
  )
}

function Content({ x, control }: { x: Explorer; control: { current: GridControl | null } }): JSX.Element {
  if (x.fault && !x.busy && !x.list.rows) return <Failure x={x} />
  if (x.list.rows && x.list.total === 0 && !x.busy) {
    if (x.empty.value?.fresh) return <Welcome x={x} />
    return <Nothing x={x} />
  }
  return (
    <>
      {x.fault && !x.busy ? <Stale x={x} /> : null}
      <Grid x={x} control={control} key="grid" />
    </>
  )
}

const typing = (e: KeyboardEvent): boolean => e.target instanceof HTMLElement && e.target.matches('input, textarea, select, [contenteditable]')

function useKeys(x: Explorer, grid: { current: GridControl | null }, help: () => void): void {
  useLayoutEffect(() => { // before the page can be seen
    const focus = (selector: string): void => document.querySelector<HTMLElement>(selector)?.focus()
    const keys: Record<string, () => void> = {
      '/': () => focus('#search'),
      t: () => document.getElementById('window')?.click(),
      l: () => x.toggleLive(),
      '?': help,
      j: () => grid.current?.move(1),
      k: () => grid.current?.move(-1),
      Escape: () => x.view.entry && x.go({ entry: '' }),
      x: () => {
        const item = grid.current?.current()
        if (item) x.go({ filters: withFilter(x.view.filters, { field: 'action', not: true, value: item.action }) })
      },
    }
    const press = (e: KeyboardEvent): void => {
      if (e.defaultPrevented || document.querySelector('dialog[open]')) return
      if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
        e.preventDefault()
        void x.run()
        return
      }
      if (e.ctrlKey || e.metaKey || e.altKey || typing(e)) return
      const act = keys[e.key]
      if (!act) return
      e.preventDefault()
      act()
    }
    document.addEventListener('keydown', press)
    return () => document.removeEventListener('keydown', press)
  }, [x])
}
