import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { API, Health, Item, Status } from '../src/api'
import { Caller } from '../src/caller'
import { Emptiness } from '../src/empty'
import { Opened } from '../src/opened'
import { blank } from '../src/query'
import { Watch } from '../src/watch'

/** Answers that are given later, in whatever order, even to requests that were given up. */
function later<T>(): { ask: () => Promise<T>; answers: ((value: T) => void)[] } {
  const answers: ((value: T) => void)[] = []
  return { ask: () => new Promise<T>((done) => answers.push(done)), answers }
}

const settled = (): Promise<void> => new Promise((done) => setTimeout(done))

describe('an answer that comes too late changes nothing', () => {
  test('of an entry that is no longer open', async () => {
    const { ask, answers } = later<Item>()
    const opened = new Opened({ one: ask } as unknown as API, () => undefined)
    opened.open('a', undefined, '')
    opened.open('b', undefined, '')
    answers[1]!({ id: 'b' } as Item)
    await settled()
    answers[0]!({ id: 'a' } as Item)
    await settled()
    expect([opened.value?.id, opened.busy]).toEqual(['b', false])
    opened.open('c', undefined, '')
    opened.forget()
    answers[2]!({ id: 'c' } as Item)
    await settled()
    expect(opened.value).toBeUndefined()
  })

  test('of why a list is empty that is not empty any more', async () => {
    const { ask, answers } = later<number>()
    let begun = 0
    let changed = 0
    const empty = new Emptiness({ count: ask } as unknown as API, () => changed++, () => begun++)
    const explained = empty.explain({ ...blank }, {})
    empty.stop()
    answers[0]!(0)
    await explained
    expect([empty.value, changed, begun]).toEqual([undefined, 0, 0])
  })

  test('of who asked before', async () => {
    const { ask, answers } = later<Status>()
    const caller = new Caller({ status: ask } as unknown as API)
    const first = caller.identify()
    caller.forget()
    const second = caller.identify()
    answers[1]!({ tenant: 'b' } as Status)
    answers[0]!({ tenant: 'a' } as Status)
    await Promise.all([first, second])
    expect(caller.status?.tenant).toBe('b')
  })
})

describe('the state of the service', () => {
  let show = (): void => undefined // the page is shown again
  beforeEach(() => {
    vi.stubGlobal('document', { hidden: false, addEventListener: (_: string, f: () => void) => { show = f } })
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  const ready = { status: 'ready', checks: [] } as Health
  const next = (): Promise<unknown> => vi.advanceTimersByTimeAsync(5000)

  test.each([
    { why: 'hangs', fault: new DOMException('signal timed out', 'TimeoutError') },
    { why: 'cannot be reached', fault: new TypeError('Failed to fetch') },
    { why: 'is answered for by a proxy', fault: new SyntaxError('Unexpected token <') },
  ])('is lost while it $why, and known again after that', async ({ fault }) => {
    const health = vi.fn(async () => ready)
    const watch = new Watch({ health, status: async () => ({ receivedToday: 1 }) } as unknown as API, () => undefined)
    const seen = (): unknown[] => [watch.lost, watch.health, watch.status?.receivedToday]
    watch.start()
    await vi.advanceTimersByTimeAsync(1)
    expect(seen()).toEqual([false, ready, 1])
    health.mockRejectedValueOnce(fault)
    await next()
    expect(seen()).toEqual([true, ready, undefined])
    await next()
    expect(seen()).toEqual([false, ready, 1])
  })

  test('is not lost, but not known, where only the numbers cannot be read', async () => {
    const watch = new Watch({ health: async () => ready, status: () => Promise.reject(new Error('unavailable')) } as unknown as API, () => undefined)
    watch.start()
    await vi.advanceTimersByTimeAsync(1)
    expect([watch.lost, watch.health, watch.status]).toEqual([false, ready, undefined])
  })

  test.each(['answer', 'error'])('has the numbers of the one who asks, whatever late %s the last one gets', async (kind) => {
    const asked: { done: (s: Status) => void; fail: (e: Error) => void }[] = []
    const status = (): Promise<Status> => new Promise((done, fail) => asked.push({ done, fail }))
    const watch = new Watch({ health: async () => ready, status } as unknown as API, () => undefined)
    watch.start()
    await vi.advanceTimersByTimeAsync(1)
    watch.forget()
    show()
    await vi.advanceTimersByTimeAsync(1)
    asked[1]!.done({ tenant: 'b', receivedToday: 5 } as Status)
    await vi.advanceTimersByTimeAsync(1)
    if (kind === 'answer') asked[0]!.done({ tenant: 'a', receivedToday: 9 } as Status)
    else asked[0]!.fail(new Error('unauthorized'))
    await vi.advanceTimersByTimeAsync(1)
    expect([watch.status?.tenant, watch.lost]).toEqual(['b', false])
  })

  test('is the one of the last time it was asked for, whatever late fault another time has', async () => {
    const failed: ((e: Error) => void)[] = []
    const health = vi.fn(async () => ready).mockImplementationOnce(() => new Promise((_, no) => failed.push(no)))
    const watch = new Watch({ health, status: async () => ({ tenant: 'a' }) } as unknown as API, () => undefined)
    watch.start()
    show()
    await vi.advanceTimersByTimeAsync(1)
    failed[0]!(new DOMException('signal timed out', 'TimeoutError'))
    await vi.advanceTimersByTimeAsync(1)
    expect([watch.lost, watch.health, watch.status?.tenant]).toEqual([false, ready, 'a'])
  })

  test('forgets one who signs in while it is asked for', async () => {
    const { ask, answers } = later<Status>()
    const watch = new Watch({ health: async () => ready, status: ask } as unknown as API, () => undefined)
    watch.start()
    await vi.advanceTimersByTimeAsync(1)
    watch.forget()
    answers[0]!({ tenant: 'a' } as Status)
    await vi.advanceTimersByTimeAsync(1)
    expect([watch.health, watch.status]).toEqual([ready, undefined])
  })
})
