import { describe, expect, test } from 'vitest'
import type { API, Item, Status } from '../src/api'
import { Caller } from '../src/caller'
import { Emptiness } from '../src/empty'
import { Opened } from '../src/opened'
import { blank } from '../src/query'

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
