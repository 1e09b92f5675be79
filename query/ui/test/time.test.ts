import { describe, expect, test } from 'vitest'
import { ago, barOf, boundsOf, clock, day, field, hour, intervalOf, lengthOf, minute, nameOf, parse, second, ticksOf, widthOf } from '../src/time'

const at = Date.UTC(2026, 10, 28, 11, 42, 7, 412)

test('a relative window has a length and no end', () => {
  expect(lengthOf('90m')).toBe(90 * minute)
  expect(lengthOf('all')).toBe(0)
  for (const wrong of ['', '0h', '5', '5w', '-1h', '1e3h']) expect(lengthOf(wrong), wrong).toBeUndefined()
  expect(boundsOf({ last: '1h' }, at)).toEqual({ start: at - hour })
  expect(boundsOf({ last: 'all' }, at)).toEqual({})
  expect(boundsOf({ from: 1, to: 2 }, at)).toEqual({ start: 1, end: 2 })
})

test('bars are few enough, and made of an interval of the API', () => {
  for (const length of [second, minute, 15 * minute, hour, 6 * hour, day, 7 * day, 30 * day, 90 * day, 400 * day, 9000 * day]) {
    const width = widthOf(length)
    expect(length / width).toBeLessThanOrEqual(120)
    expect(width % intervalOf(width)[1]).toBe(0)
  }
  expect(intervalOf(30 * second)[0]).toBe('10s')
  expect(intervalOf(15 * minute)[0]).toBe('5m')
  expect(intervalOf(6 * hour)[0]).toBe('1h')
  expect(intervalOf(2 * day)[0]).toBe('1d')
  expect(barOf(at, hour, false)).toBe(Date.UTC(2026, 10, 28, 11))
  expect(barOf(at, day, false)).toBe(Date.UTC(2026, 10, 28))
})

describe('times that people write', () => {
  test.each([
    ['2026-11-28', false, Date.UTC(2026, 10, 28)],
    ['2026-11-28', true, Date.UTC(2026, 10, 29) - 1],
    ['2026-11-28 11:42', false, Date.UTC(2026, 10, 28, 11, 42)],
    ['2026-11-28 11:42', true, Date.UTC(2026, 10, 28, 11, 43) - 1],
    ['2026-11-28T11:42:07', true, Date.UTC(2026, 10, 28, 11, 42, 8) - 1],
    ['2026-11-28T11:42:07.4', true, Date.UTC(2026, 10, 28, 11, 42, 7, 400)],
    ['2026-11-28T11:42:07,412Z', false, at],
    ['2026-11-28T13:42:07.412+02:00', false, at],
    ['2026-11-28T06:12:07.412-0530', false, at],
  ])('%s (end: %s)', (text, end, want) => expect(parse(text, false, end)).toBe(want))
  test.each(['', 'now', '2026-13-01', '2026-02-30', '2026-11-28 24:00', '2026-11-28 11', '28.11.2026'])('%s is none', (text) => expect(parse(text, false, false)).toBeUndefined())
  test('what a field shows is what it reads', () => {
    for (const ms of [at, at - 412, Date.UTC(2026, 0, 1)]) expect(parse(field(ms, false), false, false)).toBe(ms)
  })
})

test('how times are shown', () => {
  expect(clock(at, false)).toEqual(['11:42:07', '.412'])
  expect(ago(at - 90 * minute, at)).toBe('1 h ago')
  expect(ago(at + 5 * second, at)).toBe('in 5 s')
  expect(nameOf({ last: '7d' }, false)).toBe('Last 7 days')
  expect(nameOf({ last: '3h' }, false)).toBe('Last 3h')
  expect(nameOf({ from: Date.UTC(2020, 0, 2), to: undefined }, false)).toBe('Jan 2, 2020, 00:00 – now')
})

test('marks of an axis are round and not too many', () => {
  const ticks = ticksOf(at - day, at, 8, false)
  expect(ticks.length).toBeLessThanOrEqual(9)
  expect(ticks.map((t) => t.text)).toContain('Nov 28')
  expect(ticks.every((t) => t.at % hour === 0)).toBe(true)
})
