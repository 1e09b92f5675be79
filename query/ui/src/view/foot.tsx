import type { JSX } from 'preact'
import type { Explorer } from '../explorer'
import { count } from '../format'

const rate = (n: number): string => (n < 10 ? n.toFixed(1) : count(Math.round(n)))

/** The state of the service, and the caller. */
export function Foot({ x, help }: { x: Explorer; help: () => void }): JSX.Element {
  const { health, status, lost } = x.watch
  const who = x.caller.status
  const away = health?.checks.filter((c) => !c.ready) ?? []
  const [kind, text] = lost
    ? ['bad', 'The service does not answer']
    : !health
      ? ['', 'Connecting…']
      : away.length > 0
        ? ['bad', `Waiting for ${away.map((c) => c.name).join(', ')}`]
        : health.status === 'draining'
          ? ['warn', 'The service shuts down']
          : status?.behindRecords && x.watch.late > 1
            ? ['warn', `Storing, ${count(status.behindRecords)} ${status.behindRecords === 1 ? 'record' : 'records'} behind`]
            : ['ok', 'Everything stored']
  return (
    <footer class="foot">
      <span class={`health ${kind}`} title={away.map((c) => `${c.name}: ${c.reason ?? ''}`).join('\n')}><i aria-hidden="true" />{text}</span>
      {status?.receivedToday != null && <span class="hide-narrow" title="Entries received today (UTC)">{count(status.receivedToday)} today{x.watch.rate ? ` · ${rate(x.watch.rate)} entries/s in` : ''}</span>}
      <span class="grow" />
      {who && <span class="hide-narrow" title={`${who.subject}, scopes: ${who.scopes.join(', ')}`}>tenant {x.view.tenant || (x.caller.everywhere ? 'all' : who.tenant)}{x.api.signedIn && who.roles.length > 0 ? ` · ${who.roles.join(', ')}` : ''}</span>}
      <button type="button" class="quiet hide-narrow" onClick={help}><kbd>?</kbd> keys</button>
    </footer>
  )
}
