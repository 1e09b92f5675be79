// Who asks, and what the service lets it do. What would be refused is not offered.

import type { API, Status } from './api'

export class Caller {
  status: Status | undefined
  unknown = false // the service does not say who the caller is: then everything is offered
  #api: API
  #asked = 0

  constructor(api: API) {
    this.#api = api
  }

  async identify(): Promise<void> {
    const asked = ++this.#asked
    const status = await this.#api.status().catch(() => undefined)
    if (asked !== this.#asked) return // someone else has signed in
    this.status = status
    this.unknown = !status
  }

  forget(): void {
    this.#asked++
    this.status = undefined
    this.unknown = false
  }

  /** The audit API, which this page reads, is for administrators and analysts. Until the caller is known, the list finds out. */
  get reads(): boolean {
    return !this.status || ((this.#is('admin') || this.#is('analyst')) && this.#has('read'))
  }

  get exports(): boolean {
    return this.unknown || (this.#is('admin') && this.#has('admin')) || (this.#is('analyst') && this.#has('read'))
  }

  /** Erase, retention and cleanup. */
  get administers(): boolean {
    return this.unknown || (this.#is('admin') && this.#has('admin'))
  }

  /** An administrator of all tenants, who names one to change anything. */
  get everywhere(): boolean {
    return this.status?.tenant === '*'
  }

  #is(role: string): boolean {
    return this.status?.roles.some((r) => r.toLowerCase() === role) ?? false
  }

  #has(scope: string): boolean {
    return this.status?.scopes.includes(scope) ?? false
  }
}
