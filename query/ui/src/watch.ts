// The state of the service, polled while the page is visible.

import type { API, Health, Status } from './api'

const every = 5000

/** So long an answer is waited for, ms. */
const patience = 4000

export class Watch {
  health: Health | undefined
  status: Status | undefined
  lost = false // the service does not answer
  late = 0 // how many answers in a row said that records are not stored yet; one of them is usual
  rate: number | undefined // entries received a second, since the answer before
  #before: { at: number; received: number } | undefined
  #signed = 0 // counts callers
  #asked = 0 // counts reads: a page that is shown again does not wait for the one before
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
    const asked = ++this.#asked
    const signal = AbortSignal.timeout(patience)
    const health = await this.#api.health(signal).catch(() => undefined)
    if (asked !== this.#asked) return
    this.health = health ?? this.health
    this.lost = !health
    const signed = this.#signed
    const status = health && (await this.#api.status(signal).catch(() => undefined))
    if (asked !== this.#asked) return
    if (signed === this.#signed) this.#know(status) // of another caller, it says nothing of this one
    this.#changed()
  }

  #know(status: Status | undefined): void {
    this.status = status
    if (!status) return
    this.late = status.behindRecords ? this.late + 1 : 0
    this.#measure(status.receivedToday)
  }
}
