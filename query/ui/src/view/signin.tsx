import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { Fault } from '../api'
import type { Explorer } from '../explorer'

/** Takes an API key or a token. It is kept in memory, and no cookie is set. */
export function SignIn({ x }: { x: Explorer }): JSX.Element {
  const [token, setToken] = useState('')
  const [keep, setKeep] = useState(false)
  const [busy, setBusy] = useState(false)
  const refused = x.fault instanceof Fault && x.api.signedIn ? x.fault.message : ''
  const send = (e: Event): void => {
    e.preventDefault()
    setBusy(true)
    void x.sign(token.trim(), keep).finally(() => setBusy(false))
  }
  return (
    <main class="signin">
      <form onSubmit={send}>
        <h1 class="logo"><i aria-hidden="true" />activitylog</h1>
        <p>This installation needs credentials. Paste an API key or a token.</p>
        <label>API key or token<input type="password" autocomplete="current-password" autofocus spellcheck={false} value={token} onInput={(e) => setToken(e.currentTarget.value)} /></label>
        <label class="check"><input type="checkbox" checked={keep} onChange={(e) => setKeep(e.currentTarget.checked)} />Keep it until this tab closes</label>
        {refused && !busy && <p class="fault" role="alert">{refused}</p>}
        <button type="submit" class="primary" disabled={busy || !token.trim()}>{busy ? 'Signing in…' : 'Sign in'}</button>
        <p class="note">An administrator makes a key with <code>activityctl key create</code>. The key is sent to this service only, as a bearer header.</p>
      </form>
    </main>
  )
}
