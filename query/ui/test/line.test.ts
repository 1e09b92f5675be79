import { describe, expect, test } from 'vitest'
import type { Item } from '../src/api'
import { lineOf } from '../src/view/columns'

const line = (details: unknown): string => lineOf({ details } as Item)

describe('the line of an entry', () => {
  test.each([
    [null, ''],
    [{ detail: 'done', n: 1, gone: null }, 'done  ·  n: 1  ·  gone: –'],
    [{ list: [1, 2], of: { a: 1, b: 2, c: 3, d: 4 }, detail: { x: 1 } }, 'list: [2]  ·  of: {a, b, c, …}  ·  detail: {x}'],
    [{ detail: 'paid', changes: { amount: { old: 1, new: 2 } }, by: 'ann' }, 'paid  ·  amount: 1 → 2'],
    [{ detail: 'x'.repeat(300) }, 'x'.repeat(300)],
    [{ detail: 'x'.repeat(301) }, `${'x'.repeat(300)}…`],
    [{ text: 'x'.repeat(201) }, `text: ${'x'.repeat(200)}…`],
    [{ old: { a: 'x'.repeat(201) }, new: { a: 'y' } }, `a: ${'x'.repeat(200)}… → y`],
  ])('%.60j', (details, want) => expect(line(details)).toBe(want))

  test('is short, whatever is long', () => {
    const long = 'x'.repeat(60_000)
    for (const details of [{ [long]: 1 }, { a: { [long]: 1 } }, { changes: { [long]: { old: long, new: long } } }, Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, 'value']))]) {
      expect(line(details).length).toBeLessThanOrEqual(301)
    }
  })

  test('is made once for each entry', () => {
    let read = 0
    const details = { get text(): string { read++; return 'a' } }
    const item = { details } as unknown as Item
    lineOf(item)
    const once = read
    expect([lineOf(item), read]).toEqual(['text: a', once])
  })
})
