import type { JSX } from 'preact'
import { Dialog } from './parts'

const keys: [string, string][] = [
  ['/', 'Search'], ['t', 'Time window'], ['j  k', 'Next and previous entry'], ['Enter', 'Open the entry'], ['Esc', 'Close it'],
  ['x', 'Exclude the action of the current entry'], ['l', 'Live tail on and off'], ['Ctrl Enter', 'Read again'], ['?', 'This help'],
]

export function Help({ close }: { close: () => void }): JSX.Element {
  return (
    <Dialog label="Keys" close={close}>
      <dl class="keys">{keys.map(([key, what]) => <><dt>{key.split(/\s+/).map((k) => <kbd>{k}</kbd>)}</dt><dd>{what}</dd></>)}</dl>
      <h3>Search</h3>
      <p>Words that all occur in an entry’s detail or details, in any case and script; “in quotes”, in sequence; or a whole request id.</p>
      <h3>Histogram</h3>
      <p>Drag to zoom in, click a bar to open it, double-click to zoom out. With keys: ← → Enter, and − to zoom out.</p>
      <p class="note"><a href="/openapi.json">API description</a> · <a href="/version">version</a></p>
    </Dialog>
  )
}
