import { describe, expect, test } from 'vitest'
import type { Item } from '../src/api'
import { barsOf, zoomedOut } from '../src/bars'
import { pageSize, Rows, type Ask } from '../src/rows'
import { day, hour } from '../src/time'

const item = (i: number): Item => ({ id: `id-${i}` }) as Item

/** A listing of so many entries that keeps what it was asked for. */
function listing(total: number): { rows: Rows; asked: string[] } {
  const asked: string[] = []
  const ask: Ask = async (at, signal) => {
    const page = 'page' in at ? at.page - 1 : Number(at.cursor)
    asked.push(JSON.stringify(at))
    await Promise.resolve()
    signal.throwIfAborted()
    const from = page * pageSize
    const items = Array.from({ length: Math.max(0, Math.min(pageSize, total - from)) }, (_, i) => item(from + i))
    return { items, total, next: from + pageSize < total ? String(page + 1) : null }
  }
  return { rows: new Rows(ask, () => undefined), asked }
}

const settled = (): Promise<void> => new Promise((done) => setTimeout(done))

describe('the rows of a listing', () => {
  test('the next page is read by cursor, a far one by number', async () => {
    const { rows, asked } = listing(5000)
    await rows.begin(new AbortController().signal)
    rows.show(pageSize - 5, pageSize + 5)
    await settled()
    rows.show(3000, 3010)
    await settled()
    expect(asked).toEqual(['{"page":1}', '{"cursor":"1"}', '{"page":31}'])
    expect([rows.get(0)?.id, rows.get(pageSize)?.id, rows.get(3005)?.id, rows.get(2000)]).toEqual(['id-0', `id-${pageSize}`, 'id-3005', undefined])
    expect(rows.indexOf('id-3005')).toBe(3005)
  })
  test('pages are read once, and not what was scrolled past', async () => {
    const { rows, asked } = listing(5000)
    await rows.begin(new AbortController().signal)
    rows.show(1000, 1050)
    rows.show(1000, 1050)
    rows.show(4000, 4050)
    await settled()
    expect(asked.length).toBe(3)
    expect(rows.get(1000)).toBeUndefined()
    expect(rows.get(4000)?.id).toBe('id-4000')
  })
  test('memory is bounded', async () => {
    const { rows } = listing(100 * pageSize)
    await rows.begin(new AbortController().signal)
    for (let n = 0; n < 100; n++) {
      rows.show(n * pageSize, n * pageSize + 1)
      await settled()
    }
    rows.show(99 * pageSize, 99 * pageSize)
    const held = Array.from({ length: 100 }, (_, n) => rows.get(n * pageSize)).filter(Boolean)
    expect(held.length).toBe(60)
  })
  test('a page that failed is read again when asked', async () => {
    let fail = false
    const rows = new Rows(async (at) => {
      if (fail) throw new Error('gone')
      const from = 'page' in at ? (at.page - 1) * pageSize : pageSize
      return { items: Array.from({ length: pageSize }, (_, i) => item(from + i)), total: 3 * pageSize, next: null }
    }, () => undefined)
    await rows.begin(new AbortController().signal)
    fail = true
    rows.show(pageSize, pageSize)
    await settled()
    expect(rows.fault).toEqual(new Error('gone'))
    fail = false
    rows.retry()
    rows.show(pageSize, pageSize)
    await settled()
    expect(rows.get(pageSize)?.id).toBe(`id-${pageSize}`)
  })
})

describe('bars', () => {
  const t0 = Date.UTC(2026, 10, 28)
  const bucket = (h: number): string => new Date(t0 + h * hour).toISOString()
  test('buckets are put together, and the rest is what no series has', () => {
    const b = barsOf([{ bucket: bucket(0), count: 5 }, { bucket: bucket(1), count: 7 }, { bucket: bucket(5), count: 1 }], [{ bucket: bucket(0), value: 'x', count: 2 }, { bucket: bucket(1), value: 'y', count: 3 }],
      { start: t0, end: t0 + 6 * hour - 1 }, 2 * hour, false)
    expect(b.names).toEqual(['y', 'x'])
    expect(b.bars).toEqual([{ at: t0, total: 12, counts: [3, 2] }, { at: t0 + 4 * hour, total: 1, counts: [0, 0] }])
    expect([b.start, b.end, b.most]).toEqual([t0, t0 + 6 * hour, 12])
  })
  test('without a start, the window begins with the first entry', () => {
    const b = barsOf([{ bucket: '2024-03-15T00:00:00.000Z', count: 5 }], [], { start: undefined, end: t0 }, 0, false)
    expect(b.start).toBeLessThanOrEqual(Date.parse('2024-03-15'))
    expect(b.width % day).toBe(0)
    expect(b.bars.length).toBe(1)
  })
  test('a clock that is ahead does not stretch it', () => {
    const b = barsOf([{ bucket: bucket(0), count: 1 }, { bucket: '2099-01-01T00:00:00.000Z', count: 1 }], [], { start: t0, end: t0 + hour }, hour, false)
    expect(b.bars.length).toBe(1)
  })
  test('zooming out ends now', () => {
    const b = barsOf([], [], { start: t0, end: t0 + hour - 1 }, hour, false)
    expect(zoomedOut(b, t0 + hour)).toEqual({ start: t0 - 2 * hour, end: undefined })
    expect(zoomedOut(b, t0 + 9 * hour)).toEqual({ start: t0 - hour, end: t0 + 2 * hour })
  })
})
