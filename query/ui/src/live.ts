// The live tail: entries as they are stored. It continues after the last id when the connection breaks, and bounds what it holds.

import { aborted, Fault, root, type API, type Item } from './api'
import { messagesOf } from './sse'

/** What a reader who paused has missed is held up to this number; beyond it, only counted. */
export const most = 1000

export type LiveState = 'off' | 'connecting' | 'on' | 'waiting'

export class Live {
  state: LiveState = 'off'
  paused = false
  waiting: Item[] = [] // arrived while paused, the newest first
  missed = 0 // arrived while paused, beyond those
  gap = '' // why entries may be missing
  #api: API
  #take: (items: Item[]) => void
  #begun: () => void
  #changed: () => void
  #running: AbortController | undefined
  #lastId: string | undefined
  #batch: Item[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #params = new URLSearchParams()

  /** begun is called whenever the tail starts again: earlier entries have to be read from the list. */
  constructor(api: API, take: (items: Item[]) => void, begun: () => void, changed: () => void) {
    this.#api = api
    this.#take = take
    this.#begun = begun
    this.#changed = changed
  }

  start(params: URLSearchParams): void {
    this.stop()
    this.#params = params
    this.#begin()
  }

  /** Goes on with what is stored from now on, because the list is read anew: what the tail has not shown yet is in it. */
  restart(): void {
    if (this.state === 'off') return
    this.#running?.abort()
    this.#batch = []
    this.waiting = []
    this.missed = 0
    this.#begin()
  }

  #begin(): void {
    this.#running = new AbortController()
    this.#lastId = undefined
    void this.#follow(this.#params, this.#running.signal)
  }

  stop(): void {
    this.#running?.abort()
    this.#running = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#batch = []
    this.waiting = []
    this.missed = 0
    this.gap = ''
    this.paused = false
    this.state = 'off'
  }

  pause(): void {
    if (this.state === 'off' || this.paused) return
    this.paused = true
    this.#changed()
  }

  /** Returns whether what was missed has to be read again. */
  resume(): boolean {
    const again = this.missed > 0
    const waiting = this.waiting
    this.paused = false
    this.waiting = []
    this.missed = 0
    if (!again && waiting.length > 0) this.#take(waiting)
    this.#changed()
    return again
  }

  get behind(): number {
    return this.waiting.length + this.missed
  }

  async #follow(params: URLSearchParams, signal: AbortSignal): Promise<void> {
    for (let wait = 1000; !signal.aborted; wait = Math.min(wait * 2, 15_000)) {
      try {
        this.#set(this.#lastId === undefined ? 'connecting' : 'waiting')
        const headers: Record<string, string> = this.#lastId === undefined ? {} : { 'Last-Event-ID': this.#lastId }
        const body = await this.#api.open(`${root}/stream?${params}`, signal, headers)
        this.#set('on')
        wait = 1000
        await this.#read(body)
      } catch (e) {
        if (signal.aborted || aborted(e)) return
        if (e instanceof Fault && e.status === 400 && this.#lastId !== undefined) {
          this.#lose('The tail could not continue where it was.')
          continue
        }
        if (e instanceof Fault && e.status >= 400 && e.status < 500 && e.status !== 429) {
          this.#lose(e.message)
          this.#set('off')
          return
        }
      }
      if (signal.aborted) return
      this.#set('waiting')
      await new Promise((done) => setTimeout(done, wait))
    }
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    for await (const messages of messagesOf(body)) {
      for (const m of messages) {
        if (m.id !== undefined) {
          if (this.#lastId === undefined) this.#begun()
          this.#lastId = m.id
        }
        if (m.event === 'entry') this.#batch.push(JSON.parse(m.data) as Item)
        else if (m.event === 'end' && m.data.includes('too slow')) this.#lose('More entries arrive than can be shown live.')
      }
      this.#timer ??= setTimeout(() => this.#flush(), 200)
    }
  }

  #flush(): void {
    this.#timer = undefined
    const batch = this.#batch.reverse()
    this.#batch = []
    if (batch.length === 0) return
    if (!this.paused) {
      this.#take(batch)
    } else {
      const all = [...batch, ...this.waiting]
      this.waiting = all.slice(0, most)
      this.missed += all.length - this.waiting.length
    }
    this.#changed()
  }

  #lose(why: string): void {
    this.#lastId = undefined
    this.gap = why
  }

  #set(state: LiveState): void {
    if (this.state === state) return
    this.state = state
    this.#changed()
  }
}
