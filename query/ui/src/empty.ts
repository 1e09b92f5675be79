// Why nothing is shown, and what would show something.

import type { API } from './api'
import { blank, paramsOf, type Filter, type View } from './query'
import type { Bounds } from './time'

/** What to leave out, and how many entries there are without it. */
export interface Way {
  drop: Filter | 'search' | 'window'
  count: number
}

export interface Reason {
  fresh: boolean // nothing is stored at all
  ways: Way[]
  newest: number | undefined // the newest entry outside the window, Unix ms
}

/** Tries what is asked without each of its conditions. */
export async function whyEmpty(api: API, v: View, bounds: Bounds, signal: AbortSignal): Promise<Reason> {
  const tenant = { ...v, filters: [], search: '' }
  if ((await api.count(paramsOf(tenant, {}), signal)) === 0) return { fresh: true, ways: [], newest: undefined }
  const tries: [Way['drop'], URLSearchParams][] = v.filters.map((f) => [f, paramsOf({ ...v, filters: v.filters.filter((o) => o !== f) }, bounds)])
  if (v.search) tries.push(['search', paramsOf({ ...v, search: '' }, bounds)])
  if (bounds.start !== undefined || bounds.end !== undefined) tries.push(['window', paramsOf(v, {})])
  const ways: Way[] = []
  let newest: number | undefined
  for (const [drop, p] of tries) {
    if (drop === 'window') {
      p.set('pageSize', '1')
      const page = await api.list(p, signal)
      ways.push({ drop, count: page.total })
      newest = page.items[0] && Date.parse(page.items[0].createdAt)
    } else {
      ways.push({ drop, count: await api.count(p, signal) })
    }
  }
  return { fresh: false, ways: ways.filter((w) => w.count > 0), newest }
}

/** How often a fresh installation is asked for its first entry, ms; and while nobody looks. */
const [often, seldom] = [1500, 10_000]

/** Says why a list is empty, and waits for the first entry of a fresh installation. */
export class Emptiness {
  value: Reason | undefined
  #api: API
  #changed: () => void
  #begun: () => void
  #poll: ReturnType<typeof setTimeout> | undefined
  #asked = new AbortController()

  /** begun is called when the first entry has arrived. */
  constructor(api: API, changed: () => void, begun: () => void) {
    this.#api = api
    this.#changed = changed
    this.#begun = begun
  }

  stop(): void {
    clearTimeout(this.#poll)
    this.#asked.abort()
    this.value = undefined
  }

  async explain(v: View, bounds: Bounds): Promise<void> {
    this.stop()
    const { signal } = (this.#asked = new AbortController())
    try {
      const reason = await whyEmpty(this.#api, v, bounds, signal)
      if (signal.aborted) return
      this.value = reason
      if (reason.fresh) this.#await(v.tenant, signal)
    } catch {
      if (signal.aborted) return
      this.value = { fresh: false, ways: [], newest: undefined } // the list itself has answered: it is empty
    }
    this.#changed()
  }

  #await(tenant: string, signal: AbortSignal): void {
    this.#poll = setTimeout(() => {
      this.#api.count(paramsOf({ ...blank, tenant }, {}), signal).catch(() => 0).then((n) => {
        if (signal.aborted) return
        if (n > 0) this.#begun()
        else this.#await(tenant, signal)
      })
    }, document.hidden ? seldom : often)
  }
}
