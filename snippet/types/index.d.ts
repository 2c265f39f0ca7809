/** What is sent with an event; anything that JSON can hold. */
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
  identify(userId: string | number | null, traits?: Props): void
  /** The company the visitor belongs to; `groupId` is sent as the trait `id`. */
  group(traits: Props): void
  group(groupId: string | number, traits?: Props): void
  /** Another id of the same visitor. The id it had before is the visitor's own: a second argument is ignored. */
  alias(userId: string | number, previousId?: string | number): void
  /** Forgets the visitor (log-out): the next event belongs to a new one. */
  reset(): void
  /** Calls back once the snippet has loaded; at once where it has. */
  ready(callback: () => void): void
  /** With `data-consent` nothing happens before `consent(true)`. `consent(false)` withdraws it. */
  consent(given: boolean): void
  /** Stops everything on this site in this browser, for good. `optOut(false)` takes it back. */
  optOut(out?: boolean): void
}

/** `kizashi.track(…)` and `kizashi('track', …)` are the same; the second form also works before load. */
export interface Kizashi extends Methods {
  <M extends keyof Methods>(method: M, ...args: Parameters<Methods[M]>): void
  /** For overloaded methods, whose other forms `Parameters` does not see. */
  (method: 'page' | 'identify' | 'group', ...args: Array<string | number | null | Props>): void
}

export interface Options {
  /** Where the script is, e.g. `https://k.example.com/kizashi.js`. Beacons go beside it. */
  src: string
  /** The site file's `site`. */
  site: string
  /** Another address to send to, e.g. `https://k.example.com`. */
  host?: string
  /** Milliseconds for which slots may be hidden while the first answer is awaited; 300 by default, 0: not at all. */
  timeout?: number
  /** Nothing is read, stored or sent before `consent(true)`. */
  consent?: 'required'
  /** The hash of a versioned `src`, as docs/snippet.md gives it. */
  integrity?: string
}

/** Adds the tag to the page, once, and returns the API. On a server it does nothing. */
export function load(options: Options): Kizashi

/** The API of the page's snippet, loaded or not. */
export const kizashi: Kizashi
