// The state of the service, polled while the page is visible.

import { aborted, type API, type Health, type Status } from './api'

const every = 5000

export class Watch {
  health: Health | undefined
  status: Status | undefined
  lost = false // the service does not answer
  late = 0 // how many answers in a row said that records are not stored yet; one of them is usual
  rate: number | undefined // entries received a second, since the answer before
  #before: { at: number; received: number } | undefined
  #signed = 0 // counts callers
  #api: API
  #changed: () => void
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(api: API, changed: () => void) {
    this.#api = api
    this.#changed = changed
  }

  start(): void {
    document.addEventListener('visibilitychange', () => !document.hidden && this.#ask())
    this.#ask()
  }

  /** The numbers are the caller's tenant's. */
  forget(): void {
    this.#signed++
    this.status = undefined
    this.rate = undefined
    this.#before = undefined
    this.late = 0
  }

  #ask(): void {
    clearTimeout(this.#timer)
    if (document.hidden) return
    void this.#read().finally(() => (this.#timer = setTimeout(() => this.#ask(), every)))
  }

  /** The count starts again at midnight, and erased entries lower it: then the rate is not known. */
  #measure(received: number | null): void {
    const now = performance.now()
    const before = this.#before
    this.#before = received === null ? undefined : { at: now, received }
    this.rate = received === null || !before || received < before.received ? undefined : ((received - before.received) / (now - before.at)) * 1000
  }

  async #read(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(4000)
      this.health = await this.#api.health(signal)
      this.lost = false
      const signed = this.#signed
      const status = await this.#api.status(signal)
      if (signed !== this.#signed) return
      this.status = status
      this.late = this.status.behindRecords ? this.late + 1 : 0
      this.#measure(this.status.receivedToday)
    } catch (e) {
      if (!this.health || aborted(e) || e instanceof TypeError) this.lost = true
      this.status = undefined
    }
    this.#changed()
  }
}
