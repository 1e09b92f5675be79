import { describe, expect, test, vi } from 'vitest'
import { changeKeys, changesOf } from '../src/change'
import { bytes, count, curl, cut, quote, short } from '../src/format'
import { Messages } from '../src/sse'
import { marked, phrasesOf, shareOf } from '../src/words'

describe('what a search found is marked', () => {
  const hits = (text: string, search: string): string[] => marked(text, phrasesOf(search), 100).filter((p) => p.hit).map((p) => p.text)
  test.each([
    ['Error en monto, reversal by supervisor', 'REVERSAL', ['reversal']],
    ['reversals are not a reversal', 'reversal', ['reversal']],
    ['Published video after 2 retries', 'video 2', ['video', '2']],
    ['after 2 retries, 2 after retries', '"2 retries"', ['2 retries']],
    ['Ärger mit Müller', 'arger müller', ['Ärger', 'Müller']],
    ['<script>alert(1)</script>', 'script', ['script', 'script']],
    ['nothing', '', []],
    ['', 'x', []],
    ['a b a b', '"a b"', ['a b', 'a b']],
    ['a b a b c', '"a b c" a', ['a', 'a b c']],
    ['a b', '"a b c"', []],
  ])('%s / %s', (text, search, want) => expect(hits(text, search)).toEqual(want))
  test('the pieces are the text', () => expect(marked('x ärger y', phrasesOf('ärger y'), 9).map((p) => p.text).join('')).toBe('x ärger y'))
  test('up to a number, and the rest is not read', () => {
    const folded = vi.spyOn(String.prototype, 'normalize')
    const text = 'wörd '.repeat(10_000)
    const pieces = marked(text, phrasesOf('wörd "wörd wörd wörd"'), 3)
    expect(pieces.filter((p) => p.hit).map((p) => p.text)).toEqual(Array.from({ length: 3 }, () => 'wörd wörd wörd'))
    expect(pieces.map((p) => p.text).join('')).toBe(text)
    expect(folded.mock.calls.length).toBeLessThan(20)
    folded.mockRestore()
    expect(marked('a a', phrasesOf('a'), 0)).toEqual([{ text: 'a a', hit: false }])
  })
  test('many texts share the marks, and each has one', () => expect([[80, 1], [80, 7], [80, 100], [80, 0]].map(([most, n]) => shareOf(most!, n!))).toEqual([80, 11, 1, 80]))
})

describe('what has changed', () => {
  test.each([
    [{ old: { a: 1, b: { c: 2 } }, new: { a: 1, b: { c: 3 }, d: 4 } }, [['b.c', 2, 3], ['d', undefined, 4]]],
    [{ before: 'x', after: 'y' }, [['value', 'x', 'y']]],
    [{ changes: { amount: { old: 1, new: 2 }, who: ['a', 'b'], same: 5 } }, [['amount', 1, 2], ['who', 'a', 'b']]],
    [{ changes: [{ field: 'amount', from: 1, to: null }, { nothing: 1 }] }, [['amount', 1, null]]],
    [{ changes: { before: { x: 1 }, after: { x: 2 } } }, [['x', 1, 2]]],
    [{ changes: 'many' }, []],
    [{ old: 1 }, []],
    [null, []],
  ])('%j', (details, want) => expect(changesOf(details).map((c) => [c.name, c.before, c.after])).toEqual(want))
  test('the members that it shows', () => expect([...changeKeys({ old: 1, new: 2, x: 3 })]).toEqual(['old', 'new']))
})

test('numbers and commands', () => {
  expect([cut('abc', 3), cut('abcd', 3)]).toEqual(['abc', 'abc…'])
  expect(count(1234567)).toBe('1,234,567')
  expect([0, 999, 9999, 10_000, 999_999, 1_284_903, 12_345_678, 123_456_789].map(short)).toEqual(['0', '999', '9,999', '10k', '999k', '1.28M', '12.3M', '123M'])
  expect(bytes(4_200_000)).toBe('4.2 MB')
  expect(quote("it's")).toBe(`'it'\\''s'`)
  expect(curl('http://h/?a=1&b=2', true)).toBe(`curl -fsS -H "Authorization: Bearer $TOKEN" 'http://h/?a=1&b=2'`)
})

test('server-sent events, in whatever pieces they arrive', () => {
  const text = 'retry: 2000\nid: p0:1\n\n: hello\n\nid: p0:2\nevent: entry\ndata: {"a":\ndata: 1}\r\n\r\nevent: end\ndata: {}\n\n'
  for (const size of [1, 2, 7, 1000]) {
    const m = new Messages()
    const all = []
    for (let i = 0; i < text.length; i += size) all.push(...m.feed(text.slice(i, i + size)))
    expect(all).toEqual([{ event: 'message', data: '', id: 'p0:1' }, { event: 'entry', data: '{"a":\n1}', id: 'p0:2' }, { event: 'end', data: '{}', id: undefined }])
  }
})
