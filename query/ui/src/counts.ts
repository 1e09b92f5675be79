// The histogram's counts of the view, as far as they are known.

import { aborted, type API } from './api'
import { readBars, type Bars } from './bars'
import { paramsOf, type View } from './query'
import type { Bounds } from './time'

export class Counts {
  value: Bars | undefined
  fault: unknown
  busy = true
  #asked: View | undefined
  #api: API
  #changed: () => void

  constructor(api: API, changed: () => void) {
    this.#api = api
    this.#changed = changed
  }

  /** Shows nothing, until it is loaded. */
  forget(): void {
    this.#asked = undefined
    this.value = undefined
    this.fault = undefined
    this.busy = true
  }

  /** What was shown stays until the counts are there. Of several loads the last one counts. */
  async load(view: View, bounds: Bounds, now: number, signal: AbortSignal): Promise<void> {
    this.#asked = view
    this.busy = true
    this.#changed()
    const stale = (): boolean => signal.aborted || this.#asked !== view
    try {
      const value = await readBars(this.#api, paramsOf(view, bounds), view.by, bounds, now, view.local, signal)
      if (stale()) return
      this.value = value
      this.fault = undefined
    } catch (e) {
      if (stale() || aborted(e)) return
      this.value = undefined
      this.fault = e
    }
    this.busy = false
    this.#changed()
  }
}
