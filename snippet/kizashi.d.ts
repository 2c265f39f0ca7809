// Types of the browser snippet's global `kizashi`: copy this file into a TypeScript project, and include it.

export type Props = Record<string, unknown>

export interface Methods {
  /** A page view by hand. Called before the snippet has loaded, it replaces the automatic page view. */
  page(props?: Props): void
  page(name: string, props?: Props): void
  page(category: string, name: string, props?: Props): void
  /** Something the visitor did, e.g. `track('whitepaper_download', { title: 'ERP' })`. */
  track(name: string, props?: Props): void
  /** Who the visitor is; `userId` is sent as the trait `id`. */
  identify(traits: Props): void
  identify(userId: string, traits?: Props): void
  /** The company the visitor belongs to; `groupId` is sent as the trait `id`. */
  group(traits: Props): void
  group(groupId: string, traits?: Props): void
  /** Another id of the same visitor. */
  alias(userId: string): void
  /** Forgets the visitor (log-out): the next event belongs to a new one. */
  reset(): void
  /** Calls back once the snippet has loaded. */
  ready(callback: () => void): void
  /** With `data-consent="required"` nothing happens before `consent(true)`. `consent(false)` withdraws it. */
  consent(given: boolean): void
  /** Stops everything on this site in this browser, for good. `optOut(false)` takes it back. */
  optOut(out?: boolean): void
}

/** `kizashi.track(…)` and `kizashi('track', …)` are the same; the second form also works before load. */
export interface Kizashi extends Methods {
  <M extends keyof Methods>(method: M, ...args: Parameters<Methods[M]>): void
  /** For overloaded methods, whose other forms `Parameters` does not see. */
  (method: 'page' | 'identify' | 'group', ...args: Array<string | Props>): void
  readonly version: string
  /** Calls queued before load: `window.kizashi = window.kizashi || function () { (kizashi.q = kizashi.q || []).push(arguments) }`. */
  q?: ArrayLike<unknown>[]
}

declare global {
  interface Window {
    kizashi: Kizashi
  }
  // eslint-disable-next-line no-var
  var kizashi: Kizashi
}
