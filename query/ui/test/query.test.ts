import { describe, expect, test } from 'vitest'
import { blank, fixed, fromQuery, paramsOf, sameEntries, toQuery, withFilter, without, type Filter, type View } from '../src/query'

const is = (value: string): Filter => ({ field: 'action', not: false, value })
const not = (value: string): Filter => ({ field: 'action', not: true, value })

describe('filters', () => {
  test('a field has one value that is wanted', () => expect(withFilter([is('post')], is('like'))).toEqual([is('like')]))
  test('several are excluded', () => expect(withFilter([not('post')], not('like'))).toEqual([not('post'), not('like')]))
  test('the opposite replaces', () => {
    expect(withFilter([is('post')], not('post'))).toEqual([not('post')])
    expect(withFilter([not('post'), not('like')], is('post'))).toEqual([not('like'), is('post')])
  })
  test('none twice', () => expect(withFilter([not('post')], not('post'))).toEqual([not('post')]))
  test('removed by value', () => expect(without([is('a'), not('b')], not('b'))).toEqual([is('a')]))
})

describe('an address holds the view', () => {
  const views: Partial<View>[] = [
    {},
    { filters: [is('post'), { field: 'platform', not: true, value: 'a&b=c d+e%' }, { field: 'platform', not: true, value: 'ünï "x"' }], search: '"two words" <b>' },
    { span: { last: 'all' }, oldest: true, by: 'action', local: true, tenant: 'acme' },
    { span: { from: 0, to: 1_710_504_000_123 }, entry: '00000000-0016-801a-8000-00000000616c' },
    { span: { from: undefined, to: 5 }, columns: ['time', 'detail', 'target'], by: '' },
    { span: { from: 5, to: undefined } },
  ]
  test.each(views)('%j', (v) => expect(fromQuery(toQuery({ ...blank, ...v }))).toEqual({ ...blank, ...v }))
  test('nothing is said that is standard', () => expect(toQuery(blank)).toBe(''))
  test('it can be read', () => expect(toQuery({ ...blank, filters: [not('post')] })).toBe('?action!=post'))
  test('what is wrong is ignored', () => {
    const v = fromQuery('?action=&nonsense=1&last=9999999w&from=x&columns=time,,no&sort=up&requestId!=r&by=detail')
    expect({ ...v, span: blank.span }).toEqual({ ...blank, columns: ['time'] })
  })
})

test('parameters of the API', () => {
  const v = { ...blank, filters: [is('post'), not('like')], search: ' x ', tenant: 'acme' }
  expect(String(paramsOf(v, { start: 0, end: 5 }))).toBe('action=post&action%21=like&search=x&startDate=1970-01-01T00%3A00%3A00.000Z&endDate=1970-01-01T00%3A00%3A00.005Z&tenant=acme')
})

test('a link means the same later', () => {
  expect(fixed({ ...blank, span: { last: '1h' } }, 3_600_001).span).toEqual({ from: 1, to: 3_600_001 })
  expect(fixed({ ...blank, span: { last: 'all' } }, 1).span).toEqual({ last: 'all' })
})

test('what only changes how it looks asks for the same entries', () => {
  expect(sameEntries(blank, { ...blank, entry: 'x', local: true, by: 'action', columns: ['time'] })).toBe(true)
  for (const change of [{ search: 'x' }, { oldest: true }, { span: { last: '1h' } }, { filters: [is('a')] }, { tenant: 't' }]) expect(sameEntries(blank, { ...blank, ...change })).toBe(false)
})
