import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { isObject, type JSONValue } from '../change'
import { cut } from '../format'
import { shareOf } from '../words'
import { atOnce, Long, Marked, useFirst } from './parts'

/** Names are shown up to this length at first; those of branches, which are buttons, are never longer. */
export const nameLength = 200

/** Branches side by side share room for this many leaves: a branch with more than its share is closed at first. */
const openLeaves = 400

type Member = [name: string, value: JSONValue]

interface TreeProps {
  name?: string
  value: JSONValue
  phrases: string[][]
  most: number // marks
  depth?: number
  room?: number // a branch with more members is closed at first
}

/** JSON as a tree. What is closed is not drawn. */
export function Tree({ name, value, phrases, most, depth = 0, room = openLeaves }: TreeProps): JSX.Element {
  const members = useMemo(() => membersOf(value), [value])
  const [open, setOpen] = useState(depth < 2 && members !== undefined && Math.min(members.length, atOnce) <= room)
  const [left, right] = Array.isArray(value) ? '[]' : '{}'
  if (!members || members.length === 0) {
    return (
      <div class="leaf">
        {name !== undefined && <span class="key"><Long text={name} phrases={phrases} most={most} shown={nameLength} />: </span>}
        {members ? `${left}${right}` : <Leaf value={value as Single} phrases={phrases} most={most} />}
      </div>
    )
  }
  return (
    <div class="branch">
      <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class="turn" aria-hidden="true">{open ? '▾' : '▸'}</span>
        {name !== undefined && <span class="key"><Marked text={cut(name, nameLength)} phrases={phrases} most={most} />: </span>}{open ? left : `${left} ${members.length} ${right}`}
      </button>
      {open && (
        <div class="members">
          <Members members={members} phrases={phrases} most={most} depth={depth + 1} room={room} />
          <span>{right}</span>
        </div>
      )}
    </div>
  )
}

/** The members of an object or array, which share the marks. */
export function Members({ members, phrases, most, depth, room = openLeaves }: { members: Member[]; phrases: string[][]; most: number; depth: number; room?: number }): JSX.Element {
  const [shown, more] = useFirst(members)
  const n = Math.min(members.length, atOnce)
  const branches = shown.filter(([, v]) => typeof v === 'object' && v !== null).length
  return <>{shown.map(([k, v]) => <Tree name={k} value={v} phrases={phrases} most={shareOf(most, n)} depth={depth} room={room / branches} key={k} />)}{more}</>
}

function membersOf(value: JSONValue): Member[] | undefined {
  if (Array.isArray(value)) return value.map((v, i) => [String(i), v])
  return isObject(value) ? Object.entries(value) : undefined
}

type Single = null | boolean | number | string

function Leaf({ value, phrases, most }: { value: Single; phrases: string[][]; most: number }): JSX.Element {
  if (typeof value === 'string') return <span class="string">"<Long text={value} phrases={phrases} most={most} />"</span>
  return <span class="literal">{String(value)}</span>
}
