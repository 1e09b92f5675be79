import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { isObject, type JSONValue } from '../change'
import { Long } from './parts'

/** So many members are shown at once; a click shows more. */
const atOnce = 100

/** JSON as a tree. What is closed is not drawn. */
export function Tree({ name, value, phrases, depth = 0 }: { name?: string; value: JSONValue; phrases: string[][]; depth?: number }): JSX.Element {
  const [open, setOpen] = useState(depth < 2)
  const [most, setMost] = useState(atOnce)
  const key = name !== undefined && <span class="key">{name}: </span>
  if (!Array.isArray(value) && !isObject(value)) return <div class="leaf">{key}<Leaf value={value} phrases={phrases} /></div>
  const members: [string, JSONValue][] = Array.isArray(value) ? value.map((v, i) => [String(i), v]) : Object.entries(value)
  const [left, right] = Array.isArray(value) ? '[]' : '{}'
  if (members.length === 0) return <div class="leaf">{key}{left}{right}</div>
  return (
    <div class="branch">
      <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class="turn" aria-hidden="true">{open ? '▾' : '▸'}</span>{key}{open ? left : `${left} ${members.length} ${right}`}
      </button>
      {open && (
        <div class="members">
          {members.slice(0, most).map(([k, v]) => <Tree name={k} value={v} phrases={phrases} depth={depth + 1} key={k} />)}
          {members.length > most && <button type="button" class="quiet" onClick={() => setMost(most + 10 * atOnce)}>{members.length - most} more</button>}
          <span>{right}</span>
        </div>
      )}
    </div>
  )
}

function Leaf({ value, phrases }: { value: null | boolean | number | string; phrases: string[][] }): JSX.Element {
  if (typeof value === 'string') return <span class="string">"<Long text={value} phrases={phrases} />"</span>
  return <span class="literal">{String(value)}</span>
}
