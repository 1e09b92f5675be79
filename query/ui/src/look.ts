// How the page looks to this reader. It is kept in the browser and is no part of a link.

export interface Look {
  compact: boolean
  relative: boolean // times in the list as 3 min ago
}

const key = 'activitylog.look'

export function readLook(): Look {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Look> | null
    return { compact: kept?.compact === true, relative: kept?.relative === true }
  } catch {
    return { compact: false, relative: false }
  }
}

export function keepLook(look: Look): void {
  try {
    localStorage.setItem(key, JSON.stringify(look))
  } catch {
    // the browser keeps nothing
  }
}
