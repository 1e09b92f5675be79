// How numbers and commands are shown.

const whole = new Intl.NumberFormat('en-US')

/** 1,234,567 */
export const count = (n: number): string => whole.format(n)

/** 903k, 1.28M */
export function short(n: number): string {
  for (const [size, unit] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const) {
    if (n < size * (unit === 'k' ? 10 : 1)) continue
    const of = n / size
    return (of >= 100 ? Math.floor(of).toString() : of >= 10 ? (Math.floor(of * 10) / 10).toString() : (Math.floor(of * 100) / 100).toString()) + unit
  }
  return count(n)
}

/** 4.2 MB */
export function bytes(n: number): string {
  for (const [size, unit] of [[1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']] as const) {
    if (n >= size) return `${(n / size).toFixed(n / size < 10 ? 1 : 0)} ${unit}`
  }
  return `${n} B`
}

/** A text, cut and marked with … if it is longer than most. */
export const cut = (s: string, most: number): string => (s.length > most ? `${s.slice(0, most)}…` : s)

export const entries = (n: number): string => `${count(n)} ${n === 1 ? 'entry' : 'entries'}`

/** A word of a shell command. */
export const quote = (s: string): string => `'${s.replaceAll("'", `'\\''`)}'`

/** The command that asks the same. The credential is left to the reader's shell. */
export function curl(url: string, signedIn: boolean, more: string[] = []): string {
  return ['curl', '-fsS', ...(signedIn ? ['-H', '"Authorization: Bearer $TOKEN"'] : []), ...more, quote(url)].join(' ')
}
