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

/** So many hits of a text are marked: a text of 64 kB would be 25,000 pieces. */
const mostHits = 500

/** The text in pieces. */
export function marked(text: string, phrases: string[][]): Piece[] {
  if (phrases.length === 0 || text === '') return [{ text, hit: false }]
  const words = [...text.matchAll(word)].map((m) => ({ from: m.index, to: m.index + m[0].length, text: fold(m[0]) }))
  const hits: [from: number, to: number][] = []
  for (let i = 0; i < words.length && hits.length < mostHits; i++) {
    const length = Math.max(0, ...phrases.filter((p) => p.every((w, k) => words[i + k]?.text === w)).map((p) => p.length))
    if (length === 0) continue
    hits.push([words[i]!.from, words[i + length - 1]!.to])
    i += length - 1
  }
  const out: Piece[] = []
  let at = 0
  for (const [from, to] of hits) {
    if (from > at) out.push({ text: text.slice(at, from), hit: false })
    out.push({ text: text.slice(from, to), hit: true })
    at = to
  }
  if (at < text.length || out.length === 0) out.push({ text: text.slice(at), hit: false })
  return out
}
