// Small parts that several views share.

import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { marked, mostMarks } from '../words'

const paths = {
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm4-1 3 3',
  close: 'm4 4 8 8m0-8-8 8',
  down: 'm4 6 4 4 4-4',
  right: 'm6 4 4 4-4 4',
  more: 'M3 8h.01M8 8h.01M13 8h.01',
  plus: 'M8 3v10M3 8h10',
  copy: 'M6 6h7v7H6zM10 6V3H3v7h3',
  link: 'M6.5 9.5l3-3M7 4.5 8.5 3a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5 7.5 13A3 3 0 0 1 3 8.5L4.5 7',
  filter: 'M2 4h12M4 8h8M6.5 12h3',
  download: 'M8 2.5v8m-3.5-3L8 11l3.5-3.5M3 13.5h10',
  up: 'm4 10 4-4 4 4',
  not: 'M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM4.2 4.2l7.6 7.6',
} as const

export function Icon({ name }: { name: keyof typeof paths }): JSX.Element {
  return (
    <svg class="icon" width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width={name === 'more' ? 2.2 : 1.5} stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}

interface MarkedProps {
  text: string
  phrases: string[][]
  most: number // marks
}

/** A text with what a search found. */
export function Marked({ text, phrases, most }: MarkedProps): JSX.Element {
  const pieces = useMemo(() => marked(text, phrases, most), [text, phrases, most])
  return <>{pieces.map((p) => (p.hit ? <mark>{p.text}</mark> : p.text))}</>
}

/** A text is shown up to this length at first: browsers take long to lay out 64 kB. */
const shownLength = 4000

/** A text that may be long, with what a search found. */
export function Long({ text, phrases, most, shown = shownLength }: MarkedProps & { shown?: number }): JSX.Element {
  const [whole, setWhole] = useState<string>() // the text of which all is shown: another entry's is not
  if (text === whole) return <Marked text={text} phrases={phrases} most={mostMarks.all} />
  if (text.length <= shown) return <Marked text={text} phrases={phrases} most={most} />
  return <><Marked text={text.slice(0, shown)} phrases={phrases} most={most} />… <button type="button" class="quiet" onClick={() => setWhole(text)}>Show all {text.length.toLocaleString('en-US')} characters</button></>
}

/** So many members are shown at once; a click shows more. */
export const atOnce = 100

/** The first of many, and a button for more of them. */
export function useFirst<T>(all: T[]): [shown: T[], more: JSX.Element | null] {
  const [most, setMost] = useState(atOnce)
  const more = all.length > most ? <button type="button" class="quiet" onClick={() => setMost(most + 10 * atOnce)}>{(all.length - most).toLocaleString('en-US')} more</button> : null
  return [all.slice(0, most), more]
}

interface PopoverProps {
  label: string
  button: ComponentChildren
  class?: string
  title?: string
  disabled?: boolean
  align?: 'start' | 'end'
  id?: string
  children: (close: () => void) => ComponentChildren
}

/** A button and the panel that it opens. The panel closes with Escape and with a click beside it. */
export function Popover({ label, button, class: name = '', title, disabled, align = 'start', id, children }: PopoverProps): JSX.Element {
  const [open, setOpen] = useState(false)
  const box = useRef<HTMLDivElement>(null)
  const opener = useRef<HTMLButtonElement>(null)
  const close = (): void => {
    setOpen(false)
    opener.current?.focus()
  }
  useEffect(() => {
    if (!open) return
    const panel = box.current!.querySelector<HTMLElement>('.panel')!
    const first = panel.querySelector<HTMLElement>('[autofocus], .chosen') ?? panel.querySelector<HTMLElement>('input, select, button')
    first?.focus()
    const outside = (e: Event): void => {
      if (!box.current?.contains(e.target as Node)) setOpen(false)
    }
    document.addEventListener('pointerdown', outside)
    return () => document.removeEventListener('pointerdown', outside)
  }, [open])
  const keys = (e: KeyboardEvent): void => {
    if (e.key !== 'Escape' || !open) return
    e.stopPropagation()
    close()
  }
  return (
    <div class="popover" ref={box} onKeyDown={keys}>
      <button type="button" id={id} class={name} ref={opener} aria-label={label} aria-haspopup="dialog" aria-expanded={open} title={title} disabled={disabled} onClick={() => setOpen(!open)}>
        {button}
      </button>
      {open && (
        <div class={`panel ${align}`} role="dialog" aria-label={label}>
          {children(close)}
        </div>
      )}
    </div>
  )
}

/** A button that copies a text and says so. */
export function Copy({ text, children, label, class: name }: { text: () => string; children: ComponentChildren; label?: string; class?: string }): JSX.Element {
  const [state, setState] = useState<'' | 'Copied' | 'Not copied'>('')
  useEffect(() => {
    if (!state) return
    const timer = setTimeout(() => setState(''), 1500)
    return () => clearTimeout(timer)
  }, [state])
  const copy = (): void => {
    copyText(text()).then(() => setState('Copied'), () => setState('Not copied'))
  }
  return (
    <button type="button" class={name} aria-label={state ? undefined : label} onClick={copy}>
      {state || children}
    </button>
  )
}

/** navigator.clipboard exists in secure contexts only; a service on another host's http address has none. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return await navigator.clipboard.writeText(text)
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'unseen'
  document.body.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  if (!done) throw new Error('not copied')
}

/** A box over the page. */
export function Dialog({ label, close, children }: { label: string; close: () => void; children: ComponentChildren }): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    ref.current!.showModal()
    return () => before?.focus()
  }, [])
  const backdrop = (e: MouseEvent): void => {
    if (e.target === ref.current) close()
  }
  return (
    <dialog ref={ref} aria-label={label} onCancel={close} onClick={backdrop}>
      <div class="box">
        <div class="title">
          <h2>{label}</h2>
          <button type="button" class="quiet square" aria-label="Close" onClick={close}><Icon name="close" /></button>
        </div>
        {children}
      </div>
    </dialog>
  )
}
