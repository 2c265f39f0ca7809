// For bundlers: adds the tag to the page, and gives the API at once, with its types.
//
//   import { load } from 'kizashi-snippet'
//   const kizashi = load({ src: 'https://k.example.com/kizashi.js', site: 'shop' })
//   kizashi.track('opened_calculator', { seats: 40 })
//
// Where there is no page (rendering on a server) every method does nothing.

const METHODS = ['page', 'track', 'identify', 'group', 'alias', 'reset', 'ready', 'consent', 'optOut']

// What a page has of `kizashi` before the script has loaded: calls are kept, and made then.
function stub() {
  const queue = (...args) => { queue.q.push(args) }
  queue.q = []
  return queue
}

function addTag({ src, integrity, ...options }) {
  const tag = Object.assign(document.createElement('script'), { src, async: true })
  if (integrity) Object.assign(tag, { integrity, crossOrigin: 'anonymous' })
  for (const [name, value] of Object.entries(options)) if (value != null) tag.dataset[name] = String(value)
  document.head.append(tag)
}

/** Adds the tag, once, and returns the API. Options are the tag's attributes: `src`, `site` and so on. */
export function load(options) {
  if (typeof window === 'undefined') return kizashi
  window.kizashi ??= stub()
  const there = document.querySelector(`script[data-site=${CSS.escape(options.site)}]`)
  if (!there && !window.kizashi.version) addTag(options)
  return kizashi
}

/** The API of the page's snippet, loaded or not. */
export const kizashi = (method, ...args) => {
  if (typeof window !== 'undefined') (window.kizashi ??= stub())(method, ...args)
}
for (const method of METHODS) kizashi[method] = (...args) => kizashi(method, ...args)
