import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Item, Page } from '../src/api'
import { Explorer } from '../src/explorer'
import { mostFresh } from '../src/list'
import { pageSize } from '../src/rows'

// The explorer's state over an API whose answers the test gives, without a browser.

const at = (second: number): string => new Date(1_700_000_000_000 + second * 1000).toISOString()
const item = (id: string, second: number): Item => ({ id, action: 'act', createdAt: at(second), details: null }) as Item
const pageOf = (...items: Item[]): Page => ({ items, total: items.length, next: null })

beforeEach(() => {
  const storage = { getItem: () => null, setItem: () => undefined, removeItem: () => undefined }
  for (const name of ['sessionStorage', 'localStorage']) vi.stubGlobal(name, storage)
  vi.stubGlobal('location', { search: '?last=1h', pathname: '/', origin: 'http://host' })
  vi.stubGlobal('history', { pushState: () => undefined, replaceState: () => undefined })
  vi.stubGlobal('document', { hidden: false })
  vi.stubGlobal('addEventListener', () => undefined)
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

/** An explorer whose list has these entries. */
async function over(...items: Item[]): Promise<Explorer> {
  const x = new Explorer()
  vi.spyOn(x.api, 'list').mockImplementation(async () => pageOf(...items))
  vi.spyOn(x.api, 'one').mockImplementation(async (id) => item(id, 0))
  vi.spyOn(x.api, 'stats').mockImplementation(async () => ({ total: 9, groups: [{ value: 'secret', bucket: at(0), count: 9 }], other: 0 }))
  vi.spyOn(x.api, 'status').mockImplementation(async () => ({ tenant: 'a', roles: ['ADMIN'], scopes: ['read'], receivedToday: 9 }) as never)
  await x.identify()
  await x.run()
  await vi.advanceTimersByTimeAsync(1)
  return x
}

describe('who signs in next sees nothing of the last one', () => {
  const shown = (x: Explorer): unknown[] => [x.list.total, x.list.itemAt(0), x.opened.value, x.bars.value, x.facets.all.flatMap((f) => f.groups), x.empty.value, x.fault]
  const nothing = [0, undefined, undefined, undefined, [], undefined, undefined]

  test('while the list is read, and if it cannot be read', async () => {
    const x = await over(item('1', 1))
    x.go({ entry: '1' })
    await vi.advanceTimersByTimeAsync(1)
    expect([x.list.total, x.opened.value?.id, x.bars.value?.most, x.facets.all.every((f) => f.groups[0]?.value === 'secret')]).toEqual([1, '1', 9, true])
    let fail = (_: Error): void => undefined
    vi.mocked(x.api.list).mockImplementation(() => new Promise((_, no) => { fail = no }))
    vi.mocked(x.api.one).mockRejectedValue(new Error('not found'))
    const signed = x.sign('another', false)
    expect(x.caller.status).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1000)
    expect(shown(x)).toEqual(nothing)
    fail(new Error('unavailable'))
    await signed
    await vi.advanceTimersByTimeAsync(1000)
    expect(shown(x)).toEqual([...nothing.slice(0, -1), new Error('unavailable')])
  })

  test('nor what was asked for before and is answered later', async () => {
    const x = await over(item('1', 1))
    const late: (() => void)[] = []
    const hold = <T>(value: T) => (): Promise<T> => new Promise((done) => late.push(() => done(value)))
    vi.mocked(x.api.stats).mockImplementation(hold({ total: 9, groups: [{ value: 'secret', count: 9 }], other: 0 }))
    vi.mocked(x.api.one).mockImplementation(hold(item('1', 1)))
    x.go({ entry: '1' })
    await x.run()
    vi.mocked(x.api.list).mockImplementation(hold(pageOf(item('1', 1))))
    void x.run()
    vi.mocked(x.api.list).mockImplementation(() => new Promise(() => undefined))
    vi.mocked(x.api.stats).mockImplementation(() => new Promise(() => undefined))
    void x.sign('another', false)
    for (const answer of late) answer()
    await vi.advanceTimersByTimeAsync(1000)
    expect(late.length).toBeGreaterThan(4)
    expect(shown(x)).toEqual(nothing)
  })
})

describe('live', () => {
  /** A list of the items, and a tail that the test writes. */
  async function following(...items: Item[]): Promise<{ x: Explorer; send: (text: string) => void; opened: () => number }> {
    const x = await over(...items)
    let to: ReadableStreamDefaultController<Uint8Array>
    const open = vi.spyOn(x.api, 'open').mockImplementation(async () => new ReadableStream({ start: (c) => { to = c } }))
    x.toggleLive()
    await vi.advanceTimersByTimeAsync(1)
    return { x, send: (text) => to.enqueue(new TextEncoder().encode(text)), opened: () => open.mock.calls.length }
  }

  const event = (n: number, i: Item): string => `id: 0:${n}\nevent: entry\ndata: ${JSON.stringify(i)}\n\n`

  test('entries that the list may lack are read, even if the reader had paused when it was time to', async () => {
    const { x, send, opened } = await following(item('2', 200))
    send('id: 0:1\n\n')
    await vi.advanceTimersByTimeAsync(1)
    send(event(2, item('1', 100))) // older than the first row, just after the list was read
    await vi.advanceTimersByTimeAsync(300)
    x.live.pause()
    await vi.advanceTimersByTimeAsync(10_000)
    expect([opened(), x.list.total, x.list.late]).toEqual([1, 1, 0])
    vi.mocked(x.api.list).mockImplementation(async () => pageOf(item('2', 200), item('1', 100)))
    x.resume()
    await vi.advanceTimersByTimeAsync(1)
    expect(opened()).toBe(2)
    send('id: 0:3\n\n')
    await vi.advanceTimersByTimeAsync(1)
    expect(x.list.total).toBe(2)
    x.live.pause()
    x.resume()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(opened()).toBe(2) // once
  })

  test('so are those that arrive while the list is read, and are not in it', async () => {
    const { x, send, opened } = await following(item('2', 200))
    send('id: 0:1\n\n')
    await vi.advanceTimersByTimeAsync(1)
    let answer = (_: Page): void => undefined
    vi.mocked(x.api.list).mockImplementation(() => new Promise((done) => { answer = done }))
    void x.run()
    send(event(2, item('1', 100)))
    await vi.advanceTimersByTimeAsync(300)
    answer(pageOf(item('2', 200))) // it was read just before
    await vi.advanceTimersByTimeAsync(1)
    expect([opened(), x.list.total]).toEqual([1, 1])
    vi.mocked(x.api.list).mockImplementation(async () => pageOf(item('2', 200), item('1', 100)))
    await vi.advanceTimersByTimeAsync(3000)
    send('id: 0:3\n\n')
    await vi.advanceTimersByTimeAsync(1)
    expect([opened(), x.list.total]).toEqual([2, 2])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(opened()).toBe(2) // once
  })

  test('so they are if it is switched off', async () => {
    const { x, send } = await following(item('2', 200))
    send('id: 0:1\n\n')
    await vi.advanceTimersByTimeAsync(1)
    send(event(2, item('1', 100)))
    await vi.advanceTimersByTimeAsync(300)
    x.live.pause()
    await vi.advanceTimersByTimeAsync(10_000)
    vi.mocked(x.api.list).mockImplementation(async () => pageOf(item('2', 200), item('1', 100)))
    x.toggleLive()
    await vi.advanceTimersByTimeAsync(1)
    expect([x.live.state, x.list.total]).toEqual(['off', 2])
  })

  test('so are those that waited for a reader who had paused, if it is switched off', async () => {
    const { x, send } = await following(item('1', 100))
    send('id: 0:1\n\n')
    await vi.advanceTimersByTimeAsync(1)
    x.live.pause()
    send(event(2, item('2', 200)))
    await vi.advanceTimersByTimeAsync(300)
    expect([x.live.behind, x.list.total]).toEqual([1, 1])
    vi.mocked(x.api.list).mockImplementation(async () => pageOf(item('2', 200), item('1', 100)))
    x.toggleLive()
    await vi.advanceTimersByTimeAsync(1)
    expect([x.live.state, x.list.total]).toEqual(['off', 2])
  })

  test.each(['shown', 'read'])('so are those between the list and the tail that could not be read, while the list was %s', async (list) => {
    const { x, send, opened } = await following(item('1', 100))
    let answer = (_: Page): void => undefined
    if (list === 'read') {
      vi.mocked(x.api.list).mockImplementationOnce(() => new Promise((done) => { answer = done }))
      void x.run()
    }
    vi.mocked(x.api.list).mockRejectedValueOnce(new Error('unavailable'))
    send('id: 0:1\n\n')
    await vi.advanceTimersByTimeAsync(1)
    answer(pageOf(item('1', 100))) // it was read just before the tail began
    await vi.advanceTimersByTimeAsync(1)
    expect([opened(), x.list.total, x.busy]).toEqual([1, 1, false])
    vi.mocked(x.api.list).mockImplementation(async () => pageOf(item('2', 200), item('1', 100)))
    await vi.advanceTimersByTimeAsync(3000)
    send('id: 0:2\n\n')
    await vi.advanceTimersByTimeAsync(1)
    expect([opened(), x.list.total]).toEqual([2, 2])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(opened()).toBe(2) // once
  })

  test('so are those that the list lacks without having said so: it was read while they were stored', async () => {
    const { x, send, opened } = await following(item('1', 100))
    vi.mocked(x.api.list).mockImplementation(async () => ({ items: [item('2', 200), item('1', 100)], total: 3, next: null }))
    send('id: 0:1\n\n')
    await vi.advanceTimersByTimeAsync(1)
    expect([opened(), x.list.total]).toEqual([1, 2])
    vi.mocked(x.api.list).mockImplementation(async () => pageOf(item('2', 200), item('1', 100), item('0', 0)))
    await vi.advanceTimersByTimeAsync(3000)
    send('id: 0:2\n\n')
    await vi.advanceTimersByTimeAsync(1)
    expect([opened(), x.list.total]).toEqual([2, 3])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(opened()).toBe(2) // once
  })

  test('more of them than are held while the list is read are read as well', async () => {
    const { x, send, opened } = await following(item('0', 0))
    send('id: 0:1\n\n')
    await vi.advanceTimersByTimeAsync(1)
    let answer = (_: Page): void => undefined
    vi.mocked(x.api.list).mockImplementation(() => new Promise((done) => { answer = done }))
    void x.run()
    send(Array.from({ length: mostFresh + 1 }, (_, i) => event(i + 2, item(String(i + 1), i + 1))).join(''))
    await vi.advanceTimersByTimeAsync(5000) // reading takes long, and is not begun again meanwhile
    expect([opened(), x.busy]).toEqual([1, true])
    answer(pageOf(item('0', 0)))
    await vi.advanceTimersByTimeAsync(1)
    expect([x.busy, x.list.total]).toEqual([false, mostFresh + 1])
    vi.mocked(x.api.list).mockImplementation(async () => ({ items: Array.from({ length: pageSize }, (_, i) => item(String(mostFresh + 1 - i), mostFresh + 1 - i)), total: mostFresh + 2, next: 'c' }))
    await vi.advanceTimersByTimeAsync(3000)
    send('id: 0:9999\n\n')
    await vi.advanceTimersByTimeAsync(1)
    expect([opened(), x.list.total]).toEqual([2, mostFresh + 2])
  })
})
