// Types of the global `kizashi`, for a page that has the tag in its HTML:
//   /// <reference types="kizashi-snippet/global" />
import type { Kizashi } from './index.js'

export interface GlobalKizashi extends Kizashi {
  /** Once loaded. */
  readonly version?: string
  /** Calls queued before load: `window.kizashi = window.kizashi || function () { (kizashi.q = kizashi.q || []).push(arguments) }`. */
  q?: ArrayLike<unknown>[]
}

declare global {
  interface Window {
    kizashi: GlobalKizashi
  }
  // eslint-disable-next-line no-var
  var kizashi: GlobalKizashi
}
