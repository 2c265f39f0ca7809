// Live decisions: while the page is looked at, the server tells when this visitor's decisions change.
//
// kizashi.js loads this file once the server's answer says `"live": true`; a page that pins kizashi.js by its
// hash includes it itself: <script type="module" src="https://kizashi.example/kizashi-live.js?demo">.
// The address names the site, and where the stream is.
const site = decodeURIComponent(new URL(import.meta.url).search.slice(1))

const CHECK_MS = 1000 // how often new slots, a lost stream and the visitor's will are looked for
const AGAIN_MS = 15_000 // a stream that the server refused is asked for again after this; lost ones the browser renews
const HOLD_MS = 30_000 // a message waits no longer for the page's last event to count

let stream = null
let opened // what the stream was opened for
let openedAt = 0

const token = () => {
  try {
    return localStorage.kz || ''
  } catch {
    return '' // storage is refused
  }
}

// ---- The stream and the beacon must not take the page back and forth ------------------------------------

// Both tell decisions; the one that knows of more events is right. What the page has sent, the beacon's answer
// knows at once and the stream a moment later; what happens elsewhere, the stream knows first.
let answered // the event whose answer was applied last
let view // the page view that it was of
let told = {} // the stream's message applied last
let held // a message that knows less than the page

const last = () => answered && view === kizashi.view ? answered : kizashi.view?.id
const knows = ({ events }, id) => !events?.includes || !id || events.includes(id)

const swap = kizashi.swap
kizashi.swap = (decisions, asked, events) => {
  const id = events?.at(-1)?.id
  if (id) [answered, view] = [id, kizashi.view]
  swap(told.events && id && knows(told, id) ? { ...decisions, ...told.decisions } : decisions, asked)
}

const apply = (message) => {
  held = null
  told = message
  swap(message.decisions)
}

const hear = (message) => {
  held = null // this one is newer
  if (knows(message, last())) apply(message)
  else held = { message, until: Date.now() + HOLD_MS }
}

// ---- The stream -----------------------------------------------------------------------------------------

// What there is to listen for as things stand; empty where there is nothing.
const wanted = () => {
  const v = token()
  if (document.hidden || !v.includes('.')) return ''
  const slots = [...document.querySelectorAll('[data-kz-slot]')]
  const query = new URLSearchParams({ site, v, lang: document.documentElement.lang })
  for (const name of new Set(slots.map((element) => element.dataset.kzSlot))) query.append('slot', name)
  // What changes while it is read is read out. Before the first change: only then is it noticed.
  for (const element of slots) element.ariaLive ||= 'polite'
  return `${query}`
}

const refused = () => stream?.readyState === EventSource.CLOSED && Date.now() - openedAt > AGAIN_MS

const listen = () => {
  if (held && Date.now() > held.until) apply(held.message)
  const query = wanted()
  if (query === (opened ?? '') && !refused()) return
  stream?.close()
  stream = held = null
  opened = query
  if (!query) return
  openedAt = Date.now()
  const after = last() ? `&after=${encodeURIComponent(last())}` : ''
  stream = new EventSource(new URL(`v1/live?${query}${after}`, import.meta.url))
  stream.addEventListener('decisions', ({ data }) => {
    try {
      hear(JSON.parse(data))
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
