// What an entry's details say has changed.

export type JSONValue = null | boolean | number | string | JSONValue[] | { [name: string]: JSONValue }

/** A value before and after. */
export interface Change {
  name: string
  before: JSONValue | undefined
  after: JSONValue | undefined
}

const pairs = [['old', 'new'], ['before', 'after'], ['from', 'to'], ['oldValue', 'newValue'], ['previous', 'current']] as const

export const isObject = (v: unknown): v is { [name: string]: JSONValue } => typeof v === 'object' && v !== null && !Array.isArray(v)

/**
 * The changes in details that hold old and new, before and after, or changes: of values, of objects member by member, as a map by
 * name, or as a list that names its fields.
 */
export function changesOf(details: unknown): Change[] {
  if (!isObject(details)) return []
  const whole = pairOf(details)
  if (whole) return compare('', whole[0], whole[1])
  for (const key of ['changes', 'changed', 'diff']) {
    const found = listed(details[key])
    if (found.length > 0) return found
  }
  return []
}

/** The members of details that changesOf shows. */
export function changeKeys(details: { [name: string]: JSONValue }): Set<string> {
  const pair = pairs.find(([a, b]) => a in details && b in details)
  if (pair) return new Set(pair)
  return new Set(['changes', 'changed', 'diff'].filter((key) => listed(details[key]).length > 0))
}

function pairOf(v: JSONValue | undefined): [before: JSONValue | undefined, after: JSONValue | undefined] | undefined {
  if (!isObject(v)) return undefined
  const pair = pairs.find(([a, b]) => a in v && b in v)
  return pair && [v[pair[0]], v[pair[1]]]
}

function listed(v: JSONValue | undefined): Change[] {
  if (Array.isArray(v)) {
    return v.flatMap((each) => {
      const pair = pairOf(each)
      const name = isObject(each) ? (each.field ?? each.name ?? each.path ?? each.key) : undefined
      return pair && typeof name === 'string' ? [{ name, before: pair[0], after: pair[1] }] : []
    })
  }
  if (!isObject(v)) return []
  const whole = pairOf(v)
  if (whole) return compare('', whole[0], whole[1])
  return Object.entries(v).flatMap(([name, each]) => {
    const pair = Array.isArray(each) && each.length === 2 ? ([each[0], each[1]] as const) : pairOf(each)
    return pair ? [{ name, before: pair[0], after: pair[1] }] : []
  })
}

/** Objects are compared member by member; what is the same is left out. */
function compare(name: string, before: JSONValue | undefined, after: JSONValue | undefined): Change[] {
  if (!isObject(before) || !isObject(after)) {
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ name: name || 'value', before, after }]
  }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return names.flatMap((each) => compare(name ? `${name}.${each}` : each, before[each], after[each]))
}
