import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Explorer } from '../explorer'
import { excludable, fields, groups, names, paramsOf, without, withFilter, type Field } from '../query'
import { short } from '../format'
import { Icon, Popover } from './parts'

/** The filters. A click on a filter turns it into its opposite. */
export function Pills({ x, facets }: { x: Explorer; facets: () => void }): JSX.Element {
  const { filters } = x.view
  const flip = (i: number): void => {
    const f = filters[i]!
    if (excludable.has(f.field)) x.go({ filters: withFilter(filters.filter((o) => o !== f), { ...f, not: !f.not }) })
  }
  return (
    <section class="pills" aria-label="Filter bar">
      <button type="button" class="sheet-opener" onClick={facets}><Icon name="filter" />Facets</button>
      <ul aria-label="Filters">
        {x.view.tenant && (
          <li class="pill">
            <span class="text"><em>tenant =</em> <span>{x.view.tenant}</span></span>
            <button type="button" class="drop" aria-label={`Remove filter: tenant is ${x.view.tenant}`} onClick={() => x.go({ tenant: '' })}><Icon name="close" /></button>
          </li>
        )}
        {filters.map((f, i) => (
          <li class={`pill ${f.not ? 'not' : ''}`}>
            <button type="button" class="text" disabled={!excludable.has(f.field)} title={excludable.has(f.field) ? (f.not ? 'Show these only' : 'Exclude these') : undefined} onClick={() => flip(i)}>
              <em>{names[f.field]} {f.not ? '≠' : '='}</em> <span>{f.value}</span>
            </button>
            <button type="button" class="drop" aria-label={`Remove filter: ${names[f.field]} ${f.not ? 'is not' : 'is'} ${f.value}`} onClick={() => x.go({ filters: without(filters, f) })}>
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
      <Popover label="Add filter" class="add" button={<><Icon name="plus" />Add filter</>}>
        {(close) => <Add x={x} close={close} />}
      </Popover>
      {(filters.length > 1 || (filters.length > 0 && x.view.search)) && (
        <button type="button" class="quiet clear" onClick={() => x.go({ filters: [], search: '' })}>Clear all</button>
      )}
    </section>
  )
}

function Add({ x, close }: { x: Explorer; close: () => void }): JSX.Element {
  const [of, setOf] = useState<Field>('action')
  const [not, setNot] = useState(false)
  const [value, setValue] = useState('')
  const found = useValues(x, of, value)
  const add = (text: string): void => {
    if (!text.trim()) return
    x.go({ filters: withFilter(x.view.filters, { field: of, not: not && excludable.has(of), value: text.trim() }) })
    close()
  }
  return (
    <form class="adding" onSubmit={(e) => { e.preventDefault(); add(value) }}>
      <div class="line">
        <select aria-label="Field" value={of} onChange={(e) => setOf(e.currentTarget.value as Field)}>
          {fields.map((f) => <option value={f}>{names[f]}</option>)}
        </select>
        <select aria-label="Operator" value={not && excludable.has(of) ? 'not' : 'is'} disabled={!excludable.has(of)} onChange={(e) => setNot(e.currentTarget.value === 'not')}>
          <option value="is">is</option>
          <option value="not">is not</option>
        </select>
      </div>
      <input aria-label="Value" autofocus placeholder={`${names[of]}…`} value={value} autocomplete="off" onInput={(e) => setValue(e.currentTarget.value)} />
      {found.length > 0 && (
        <ul class="found" aria-label="Values">
          {found.map((g) => (
            <li><button type="button" class="choice" onClick={() => add(g.value!)}><span>{g.value}</span><b>{short(g.count)}</b></button></li>
          ))}
        </ul>
      )}
      <button type="submit" class="primary" disabled={!value.trim()}>Add</button>
    </form>
  )
}

/** Values of the field that contain the text, those with the most entries first. */
function useValues(x: Explorer, of: Field, text: string): { value?: string; count: number }[] {
  const [found, setFound] = useState<{ value?: string; count: number }[]>([])
  useEffect(() => {
    const group = groups[of]
    setFound([])
    if (!group) return
    const asked = new AbortController()
    const timer = setTimeout(() => {
      const p = paramsOf({ ...x.view, filters: x.view.filters.filter((f) => f.field !== of) }, x.bounds)
      p.set('groupBy', group)
      p.set('top', '8')
      if (text.trim()) p.set('contains', text.trim())
      x.api.stats(p, asked.signal).then((s) => setFound(s.groups), () => undefined)
    }, text ? 200 : 0)
    return () => {
      clearTimeout(timer)
      asked.abort()
    }
  }, [of, text])
  return found
}
