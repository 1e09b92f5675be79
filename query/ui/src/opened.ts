// The open entry. It is shown at once if the list has it, and read for what lists leave out, such as the time of its receipt.

import { aborted, type API, type Item } from './api'

export class Opened {
  value: Item | undefined
  fault: unknown
  busy = false
  #api: API
  #changed: () => void
  #reading: AbortController | undefined

  constructor(api: API, changed: () => void) {
    this.#api = api
    this.#changed = changed
  }

  open(id: string, known: Item | undefined, tenant: string): void {
    this.#reading?.abort()
    this.value = known
    this.fault = undefined
    this.busy = id !== ''
    if (id) void this.#read(id, tenant, (this.#reading = new AbortController()).signal)
  }

  /** Shows nothing; what is open is read again. */
  forget(): void {
    this.#reading?.abort()
    this.value = undefined
    this.fault = undefined
    this.busy = true
  }

  async #read(id: string, tenant: string, signal: AbortSignal): Promise<void> {
    try {
      const value = await this.#api.one(id, tenant, signal)
      if (signal.aborted) return // another one is open
      this.value = value
    } catch (e) {
      if (signal.aborted || aborted(e)) return
      this.fault = e
    }
    this.busy = false
    this.#changed()
  }
}
