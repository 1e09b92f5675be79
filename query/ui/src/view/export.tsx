import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { aborted, root } from '../api'
import type { Explorer } from '../explorer'
import { bytes, curl, entries } from '../format'
import { Copy, Icon, Popover } from './parts'

const formats = [['csv', 'CSV'], ['ndjson', 'NDJSON'], ['json', 'JSON'], ['parquet', 'Parquet']] as const

interface Progress {
  format: string
  bytes: number
  rows: number | undefined // lines so far, of the formats that have lines
  state: 'running' | 'done' | 'failed'
  why?: string
}

/** Exports exactly what is filtered. When the menu is removed, as at sign-out, a running export is aborted. */
export function ExportMenu({ x }: { x: Explorer }): JSX.Element {
  const [progress, setProgress] = useState<Progress>()
  const running = useRef<AbortController>(undefined)
  useEffect(() => () => running.current?.abort(), [])
  const url = (format: string): string => {
    const p = x.params
    p.set('format', format)
    return `${root}/export?${p}`
  }
  const save = async (format: string): Promise<void> => {
    running.current?.abort()
    const asked = (running.current = new AbortController())
    const at: Progress = { format, bytes: 0, rows: format === 'parquet' ? undefined : 0, state: 'running' }
    setProgress({ ...at })
    try {
      const blob = await collect(await x.api.open(url(format), asked.signal), (size, lines) => {
        at.bytes = size
        if (at.rows !== undefined) at.rows = lines
        setProgress({ ...at })
      })
      download(blob, `activity-logs.${format}`)
      setProgress({ ...at, state: 'done' })
    } catch (e) {
      if (!aborted(e)) setProgress({ ...at, state: 'failed', why: e instanceof Error && e.name !== 'TypeError' ? e.message : 'The connection broke off.' })
      else setProgress(undefined)
    }
  }
  return (
    <Popover label="Export" class="menu export" align="end" button={<><Icon name="download" /><span class="name">{progress?.state === 'running' ? bytes(progress.bytes) : 'Export'}</span><Icon name="down" /></>}>
      {() => (
        <div class="exports">
          <p class="note">{x.list.rows ? entries(x.list.total) : 'Everything'} that the filters leave, the oldest first.</p>
          {formats.map(([format, name]) => (
            <div class="line">
              <button type="button" class="choice" disabled={progress?.state === 'running'} onClick={() => void save(format)}>{name}</button>
              <Copy class="quiet" label={`Copy ${name} export as curl`} text={() => curl(location.origin + url(format), x.api.signedIn, ['-o', `activity-logs.${format}`])}>curl</Copy>
            </div>
          ))}
          {progress && <ProgressLine p={progress} total={x.list.total} stop={() => running.current?.abort()} />}
        </div>
      )}
    </Popover>
  )
}

function ProgressLine({ p, total, stop }: { p: Progress; total: number; stop: () => void }): JSX.Element {
  const share = p.rows === undefined || total === 0 ? '' : ` · ${Math.min(100, Math.floor((p.rows / total) * 100))} %`
  return (
    <div class="progress" role="status" aria-label="Export progress">
      {p.state === 'running' && <><span>{bytes(p.bytes)}{share}</span><button type="button" class="quiet" onClick={stop}>Cancel</button></>}
      {p.state === 'done' && <span>Saved: {bytes(p.bytes)}</span>}
      {p.state === 'failed' && <span class="fault">{p.why} Nothing was saved.</span>}
    </div>
  )
}

/** Pieces are put together into larger blobs, which browsers move to disk. */
const pieceBytes = 8 << 20

async function collect(body: ReadableStream<Uint8Array>, tell: (size: number, lines: number) => void): Promise<Blob> {
  const reader = body.getReader()
  const blobs: Blob[] = []
  let pieces: BlobPart[] = []
  let [size, held, lines, told] = [0, 0, 0, 0]
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    pieces.push(value as Uint8Array<ArrayBuffer>)
    size += value.length
    held += value.length
    for (let i = value.indexOf(10); i >= 0; i = value.indexOf(10, i + 1)) lines++
    if (held > pieceBytes) {
      blobs.push(new Blob(pieces))
      pieces = []
      held = 0
    }
    if (performance.now() - told > 150) {
      told = performance.now()
      tell(size, lines)
    }
  }
  tell(size, lines)
  return new Blob([...blobs, ...pieces])
}

function download(blob: Blob, name: string): void {
  const a = document.createElement('a')
  a.href = URL.createObjectURL(blob)
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(a.href), 60_000)
}
