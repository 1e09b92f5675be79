// Why nothing is shown, and what would show something.

import type { API } from './api'
import { paramsOf, type Filter, type View } from './query'
import type { Bounds } from './time'

/** What to leave out, and how many entries there are without it. */
export interface Way {
  drop: Filter | 'search' | 'window'
  count: number
}

export interface Empty {
  fresh: boolean // nothing is stored at all
  ways: Way[]
  newest: number | undefined // the newest entry outside the window, Unix ms
}

/** Tries what is asked without each of its conditions. */
export async function whyEmpty(api: API, v: View, bounds: Bounds, signal: AbortSignal): Promise<Empty> {
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
