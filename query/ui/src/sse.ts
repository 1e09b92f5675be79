// Server-sent events from a body (https://html.spec.whatwg.org/multipage/server-sent-events.html). EventSource cannot send a credential.

export interface Message {
  event: string
  data: string
  id: string | undefined
}

/** Cuts text into messages. Feed it the text as it arrives. */
export class Messages {
  #rest = ''
  #event = ''
  #data: string[] = []
  #id: string | undefined

  feed(text: string): Message[] {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    return lines.flatMap((line) => this.#line(line.endsWith('\r') ? line.slice(0, -1) : line))
  }

  #line(line: string): Message[] {
    if (line === '') {
      const done = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id }
      const empty = this.#data.length === 0 && this.#id === undefined
      this.#event = ''
      this.#data = []
      this.#id = undefined
      return empty ? [] : [done]
    }
    const at = line.indexOf(':')
    const name = at < 0 ? line : line.slice(0, at)
    const value = at < 0 ? '' : line.slice(line[at + 1] === ' ' ? at + 2 : at + 1)
    if (name === 'event') this.#event = value
    else if (name === 'data') this.#data.push(value)
    else if (name === 'id') this.#id = value
    return []
  }
}

/** The messages of a body, until it ends. */
export async function* messagesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Message[]> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const messages = new Messages()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const found = messages.feed(decoder.decode(value, { stream: true }))
    if (found.length > 0) yield found
  }
}
