// Live decisions: while the page is looked at, the server tells when this visitor's decisions change.
//
// kizashi.js loads this file once the server's answer says `"live": true`; a page that pins kizashi.js by its
// hash includes it itself: <script type="module" src="https://kizashi.example/kizashi-live.js?demo">.
// The address names the site, and where the stream is.
const site = decodeURIComponent(new URL(import.meta.url).search.slice(1))

const CHECK_MS = 1000 // how often new slots, a lost stream and the visitor's will are looked for
const AGAIN_MS = 15_000 // a stream that the server refused is asked for again after this; lost ones the browser renews

let stream = null
let openedAt = 0

const token = () => {
  try {
    return localStorage.kz || ''
  } catch {
    return '' // storage is refused
  }
}

// The stream's address as things stand; empty where there must be none.
const wanted = () => {
  const v = token()
  if (document.hidden || !v.includes('.')) return ''
  const slots = [...document.querySelectorAll('[data-kz-slot]')]
  const query = new URLSearchParams({ site, v, lang: document.documentElement.lang })
  for (const name of new Set(slots.map((element) => element.dataset.kzSlot))) query.append('slot', name)
  // What changes while it is read is read out. Before the first change: only then is it noticed.
  for (const element of slots) element.ariaLive ||= 'polite'
  return new URL(`v1/live?${query}`, import.meta.url).href
}

const refused = () => stream?.readyState === EventSource.CLOSED && Date.now() - openedAt > AGAIN_MS

const listen = () => {
  const href = wanted()
  if (href === (stream?.url ?? '') && !refused()) return
  stream?.close()
  stream = null
  if (!href) return
  openedAt = Date.now()
  stream = new EventSource(href)
  stream.addEventListener('decisions', ({ data }) => {
    try {
      kizashi.swap(JSON.parse(data).decisions)
    } catch {}
  })
}

document.addEventListener('visibilitychange', listen)
setInterval(listen, CHECK_MS)
for (const method of ['consent', 'optOut']) {
  const original = kizashi[method]
  kizashi[method] = (...args) => {
    original(...args)
    listen() // without delay
  }
}
listen()
