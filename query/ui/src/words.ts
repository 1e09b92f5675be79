// What a search found, to be marked. The service decides what matches; here only the same words are found again.

/** A piece of a text, marked if a search found it. */
export interface Piece {
  text: string
  hit: boolean
}

const fold = (s: string): string => /^[\x20-\x7e]*$/.test(s) ? s.toLowerCase() : s.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()

const word = /[\p{L}\p{N}\p{M}]+/gu

/** The phrases of a search, each as its words: a word alone, or words in quotes, in sequence. */
export function phrasesOf(search: string): string[][] {
  return search
    .split('"')
    .flatMap((part, i) => (i % 2 ? [part.match(word) ?? []] : (part.match(word) ?? []).map((w) => [w])))
    .filter((phrase) => phrase.length > 0)
    .map((phrase) => phrase.map(fold))
}

/** So many marks are drawn at most: browsers take long to lay out thousands of them. */
export const mostMarks = { row: 8, detail: 40, details: 80, all: 200 } as const

/** What each of n texts gets of so many marks. */
export const shareOf = (most: number, n: number): number => Math.max(1, Math.floor(most / Math.max(1, n)))

/** The text in pieces, of which the first `most` hits are marked. */
export function marked(text: string, phrases: string[][], most: number): Piece[] {
  const out: Piece[] = []
  let at = 0
  let left = phrases.length > 0 ? most : 0
  const hits = hitsIn(text, phrases)
  while (left-- > 0) {
    const { value } = hits.next()
    if (!value) break
    const [from, to] = value
    if (from > at) out.push({ text: text.slice(at, from), hit: false })
    out.push({ text: text.slice(from, to), hit: true })
    at = to
  }
  if (at < text.length || out.length === 0) out.push({ text: text.slice(at), hit: false })
  return out
}

/** Where phrases are found in a text, the longest first where several begin. Words are read and folded only while hits are asked for. */
function* hitsIn(text: string, phrases: string[][]): Generator<[from: number, to: number], undefined> {
  const longest = Math.max(...phrases.map((p) => p.length))
  const words = text.matchAll(word)
  const ahead: { from: number; to: number; text: string }[] = []
  for (;;) {
    while (ahead.length < longest) {
      const { value: m } = words.next()
      if (!m) break
      ahead.push({ from: m.index, to: m.index + m[0].length, text: fold(m[0]) })
    }
    if (ahead.length === 0) return
    const length = Math.max(0, ...phrases.filter((p) => p.every((w, k) => ahead[k]?.text === w)).map((p) => p.length))
    if (length > 0) yield [ahead[0]!.from, ahead[length - 1]!.to]
    ahead.splice(0, Math.max(1, length))
  }
}
