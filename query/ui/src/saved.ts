// Views that the user named. They are kept in the browser.

export interface Saved {
  name: string
  query: string
}

const key = 'activitylog.views'

export function readSaved(): Saved[] {
  try {
    const all: unknown = JSON.parse(localStorage.getItem(key) ?? '[]')
    return Array.isArray(all) ? all.filter((v): v is Saved => typeof v?.name === 'string' && typeof v?.query === 'string') : []
  } catch {
    return []
  }
}

/** A view with the same name is replaced. */
export function save(v: Saved): Saved[] {
  return write([...readSaved().filter((o) => o.name !== v.name), v].sort((a, b) => (a.name < b.name ? -1 : 1)))
}

export function remove(name: string): Saved[] {
  return write(readSaved().filter((v) => v.name !== name))
}

function write(all: Saved[]): Saved[] {
  try {
    localStorage.setItem(key, JSON.stringify(all))
  } catch {
    // the browser keeps nothing
  }
  return all
}
