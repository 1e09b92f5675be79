import { describe, expect, test } from 'vitest'
import type { Item } from '../src/api'
import { List, mostFresh } from '../src/list'
import { Rows } from '../src/rows'

const at = (second: number): string => new Date(1_700_000_000_000 + second * 1000).toISOString()
const item = (id: number, second = id): Item => ({ id: String(id).padStart(6, '0'), action: 'a', createdAt: at(second) }) as Item

/** A list with these rows, the newest first. */
async function listOf(...ids: number[]): Promise<List> {
  const rows = new Rows(async () => ({ items: ids.map((id) => item(id)), total: ids.length, next: null }), () => undefined)
  await rows.begin(new AbortController().signal)
  const list = new List()
  list.begin(rows, [])
  return list
}

const ids = (list: List): number[] => Array.from({ length: list.total }, (_, i) => Number(list.itemAt(i)?.id))

describe('live entries', () => {
  test('stand above the rows, the newest first, each once', async () => {
    const list = await listOf(3, 2, 1)
    list.take([item(5), item(4), item(3)])
    list.take([item(6), item(5)])
    expect(ids(list)).toEqual([6, 5, 4, 3, 2, 1])
    expect([list.indexOf('000005'), list.indexOf('000002'), list.indexOf('000009'), list.indexOf('')]).toEqual([1, 4, -1, -1])
  })

  test('of earlier times are counted, but not just after the list was read: it may have them', async () => {
    const list = await listOf(30, 20)
    expect(list.take([item(7), item(31)], false)).toBe(1)
    expect([list.late, ids(list)]).toEqual([0, [31, 30, 20]])
    expect(list.take([item(8)])).toBe(0)
    expect(list.late).toBe(1)
  })

  test('more than are held are counted exactly, and have places without an entry', async () => {
    const list = await listOf(1)
    for (let n = 2; n <= mostFresh + 501; n += 500) list.take(Array.from({ length: 500 }, (_, i) => item(n + i)).reverse())
    expect(list.total).toBe(mostFresh + 501)
    expect(list.counted).toBeGreaterThan(0)
    expect(list.fresh.length).toBeLessThanOrEqual(mostFresh)
    expect(list.itemAt(list.fresh.length)).toBeUndefined()
    expect(list.itemAt(list.total - 1)?.id).toBe('000001')
  })

  test('that arrived while the list was read are kept if they are not in it', async () => {
    const list = await listOf(1)
    const rows = new Rows(async () => ({ items: [item(3), item(2), item(1)], total: 3, next: null }), () => undefined)
    await rows.begin(new AbortController().signal)
    expect(list.begin(rows, [item(4), item(3), item(2)])).toBe(0)
    expect([ids(list), list.late]).toEqual([[4, 3, 2, 1], 0])
    expect(list.begin(rows, [item(4), item(9, 1)])).toBe(1) // of an earlier time, and not in it
    expect([ids(list), list.late]).toEqual([[4, 3, 2, 1], 0])
  })
})
