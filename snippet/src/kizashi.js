// The Kizashi snippet: tells the server what this visitor does, and fills the page's slots with its answers.
//
//   <script async src="https://kizashi.example/kizashi.js" data-site="demo"></script>
//
// It promises the page three things: it never throws, it never hides anything but `[data-kz-slot]` (and that
// only briefly), and when the server does not answer the page stays as it was written. docs/snippet.md has
// every attribute and method.
(() => {
  const win = window, doc = document, root = doc.documentElement, loc = location

  const stub = win.kizashi
  if (stub?.version) return // the tag is on the page twice

  const safe = (fn) => function () {
    try {
      return fn.apply(this, arguments)
    } catch {}
  }

  // `currentScript` is somebody else's element, or null, when a tag manager bundled or re-created the tag.
  let script = doc.currentScript
  if (!script?.dataset.site) script = doc.querySelector('script[data-site]')
  const options = script?.dataset || {}
  const endpoint = safe(() => new URL('/v1/beacon', options.host || script.src).href)()
  // The visitor's browser says no, or the tag does not say where: nothing is sent, and storage is left alone.
  const blocked = navigator.globalPrivacyControl || !options.site || !endpoint

  const HIDE_MS = options.timeout || 300 // a slot is hidden no longer than this
  const LATE_MS = 1e3 // an answer to a page view slower than this leaves the page alone
  const IDLE_MS = 3e4 // without input for this long, nobody is reading
  const GIVE_UP_MS = 864e5 // unsent events older than a day are dropped
  const KEEP = 50 // unsent events kept
  const BATCH = 2e4 // characters of events in a beacon: under 64 KiB even where each takes three bytes
  const ANSWER_MS = 1e4 // a request that takes longer counts as failed

  // What the `kz` entry of localStorage can hold besides a visitor token (which always has a dot in it).
  const OPTED_OUT = '-', RESET = '!'

  const DOCUMENT = /\.(pdf|zip|docx?|xlsx?|pptx?|csv|epub|gz|exe|msi|dmg)$/i

  // Every function that the browser or the page calls is `safe`: nothing here may throw into the page.
  const on = (target, types, fn, once) => types.split(' ').forEach((type) =>
    target.addEventListener(type, safe(fn), { capture: true, once }))

  // ---- What is remembered: the visitor token over visits, unsent events over pages of this tab -----------

  let memory = null // the token, where storage is refused

  // One entry in one storage area: reads without a value, removes for null.
  const stored = safe((area, value) => {
    if (blocked) return
    const items = win[area + 'Storage']
    if (value === undefined) return items.kz
    if (value) items.kz = value
    else delete items.kz
  })
  // Read each time: another tab may have got a token, reset or opted out meanwhile.
  const recall = () => stored('local') || memory
  const remember = (value) => stored('local', (memory = value))

  // ---- Events and their queue ---------------------------------------------------------------------------

  let queue = [] // events not sent, or sent without success
  let view // the page view the visitor is on: its event
  let off = blocked
  let era = 0 // counts resets: an answer to an earlier visitor's beacon is not for this one
  let busy = 0 // beacons under way
  let running = false // the first page view has been taken
  let applied = 0 // when the last beacon was sent whose decisions were applied
  let fails = 0 // beacons failed in a row

  const newId = () =>
    crypto.getRandomValues(new Uint32Array(4)).reduce((id, word) => id + word.toString(36).padStart(7, 0), '')

  const push = (type, props, name = type, from = view || { url: loc.href, ref: doc.referrer }) => {
    if (off) return
    const event = {
      id: newId(),
      type,
      name,
      url: from.url,
      title: doc.title,
      ref: from.ref,
      at: Date.now(),
      props: JSON.parse(JSON.stringify(props || {})), // a copy: the page may change its object before it is sent
    }
    queue.push(event)
    return event
  }

  const save = (events) => stored('session', events[0] ? JSON.stringify(events) : null)
  const restoreUnsent = safe(() => { queue = JSON.parse(stored('session')).concat(queue) })

  const takeBatch = () => {
    const events = queue.filter((event) => event.at > Date.now() - GIVE_UP_MS).slice(-KEEP)
    queue = []
    while (events[1] && JSON.stringify(events).length > BATCH) queue.unshift(events.pop())
    return events
  }

  // Sends what is queued. `leaving`: the page is going away, no answer will be seen.
  const flush = safe((leaving) => {
    const token = recall()
    if (token === OPTED_OUT) withdraw(token)
    const known = token?.includes('.')
    // Two first beacons at once would make two visitors: the second waits for the first one's token.
    if (off || !running || (busy && !known && !leaving)) return
    if (view) view.title = doc.title // single-page apps set it after pushState
    const events = takeBatch()
    if (!events[0]) return
    const body = JSON.stringify({
      site: options.site,
      v: known ? token : undefined,
      reset: token === RESET || undefined,
      sentAt: Date.now(),
      lang: root.lang,
      events,
      slots: [...new Set(slots().map((element) => element.dataset.kzSlot))],
    })
    if (leaving) {
      if (navigator.sendBeacon(endpoint, body)) return flush(leaving)
      save(events.concat(queue)) // too much at once: the tab's next page sends the rest
      return (queue = [])
    }
    post(events, body)
    flush()
  })

  const post = (events, body) => {
    const mine = era, start = performance.now()
    const isView = events.includes(view)
    busy++
    fetch(endpoint, {
      method: 'POST',
      body, // a string goes as text/plain, which needs no preflight
      credentials: 'include',
      keepalive: body.length < BATCH + 1e3,
      signal: AbortSignal.timeout?.(ANSWER_MS),
    }).then((response) => {
      if (/^(5|408|429)/.test(response.status)) throw 0
      return response.ok && response.json() // otherwise refused: sending it again would not help
    }).then((answer) => {
      if (mine !== era) return
      fails = 0
      save(queue)
      if (answer?.v) remember(answer.v)
      if (start < applied || (isView && performance.now() - start > LATE_MS)) return
      applied = start
      swap(answer?.decisions || {})
    }).catch(() => {
      if (mine !== era) return
      queue = events.concat(queue).slice(-KEEP)
      save(queue)
      setTimeout(flush, 500 * 2 ** Math.min(++fails, 7) * (1 + Math.random()))
    }).then(() => {
      busy--
      reveal()
      if (!fails) flush()
    })
  }

  const forget = () => {
    queue = []
    era++
    save(queue)
  }

  // Ends all sending. `mark`: what remains in storage, null for nothing.
  const withdraw = (mark) => {
    off = true
    held = []
    forget()
    remember(mark)
    reveal()
  }

  // ---- Slots: hidden briefly, filled, restored ----------------------------------------------------------

  const originals = new WeakMap() // element -> {nodes, html}: what stood there, what stands there now
  const sheet = safe(() => new CSSStyleSheet())()
  let policy

  const slots = () => [...doc.querySelectorAll('[data-kz-slot]')]

  // A constructed sheet: works under a CSP without inline styles, covers elements not parsed yet, and leaves
  // no trace on the elements themselves (frameworks that hydrate the page would complain).
  const hide = safe(() => {
    if (off || doc.readyState === 'complete') return // hiding what is being read would be a flicker
    sheet.replaceSync('[data-kz-slot]{visibility:hidden!important}')
    doc.adoptedStyleSheets.push(sheet)
    setTimeout(reveal, HIDE_MS)
  })
  const reveal = safe(() => sheet.replaceSync(''))

  // Made at the first swap only: a CSP that does not allow the policy reports the attempt.
  const trusted = safe(() => win.trustedTypes.createPolicy('kizashi', { createHTML: (html) => html }))

  const swap = (decisions) => slots().forEach(safe((element) => {
    const decision = decisions[element.dataset.kzSlot], before = originals.get(element)
    if (decision === null && before) {
      originals.delete(element)
      element.replaceChildren(...before.nodes) // the very nodes, with the page's listeners on them
    } else if (typeof decision?.html === 'string' && before?.html !== decision.html) {
      const nodes = before?.nodes || [...element.childNodes]
      policy = policy || trusted() || { createHTML: (html) => html }
      element.innerHTML = policy.createHTML(decision.html)
      originals.set(element, { nodes, html: decision.html })
    }
  }))

  // ---- Engaged time and scroll depth --------------------------------------------------------------------

  let visible = false // as of `mark`
  let mark = 0, lastInput = 0 // performance.now()
  let engaged = 0, total = 0 // ms since the last engage event; ms in those of this page view
  let depth = 0 // percent of the page seen since the last engage event

  // Counts the time up to now, by the state that held until now.
  const settle = () => {
    const now = performance.now()
    if (visible) engaged += Math.max(0, Math.min(now, lastInput + IDLE_MS) - mark)
    visible = !doc.hidden
    return (mark = now)
  }
  const active = () => { lastInput = settle() }
  const look = () => {
    const seen = (win.scrollY + win.innerHeight) / root.scrollHeight
    depth = Math.min(100, Math.max(depth, Math.round(seen * 100)))
  }
  const cut = () => {
    settle()
    if (!view || engaged < 100) return // less is nobody's attention
    look()
    push('engage', { engaged_ms: Math.round(engaged), scroll: depth })
    total += engaged
    engaged = depth = 0
  }
  const tick = () => {
    settle()
    // While sending fails the time adds up in one event instead of pushing others out of the queue.
    if (fails || engaged < (total < 6e4 ? 5e3 : 15e3)) return
    cut()
    flush()
  }

  // ---- Page views ---------------------------------------------------------------------------------------

  let path // of the last page view: a new fragment alone is none

  const here = () => loc.pathname + loc.search
  const viewPage = (props) => {
    cut()
    active()
    engaged = total = depth = 0
    path = here()
    view = push('page', props, 'page', { url: loc.href, ref: view ? view.url : doc.referrer })
  }
  const moved = safe(() => {
    if (path === here()) return
    viewPage()
    setTimeout(flush, 50) // the app draws the new view, its slots and its title first
  })

  // ---- Clicks and forms ---------------------------------------------------------------------------------

  const send = (type, props, name) => {
    push(type, props, name)
    flush()
  }

  const clicked = (click) => {
    if (click.button > 1) return // a right click opens a menu
    const named = click.target.closest('[data-kz-event]')
    const link = click.target.closest('a[href]')
    const props = {}
    for (const { name, value } of named?.attributes || []) {
      // `data-kz-plan-name="pro"` -> {plan_name: 'pro'}
      if (/^data-kz-(?!event$)/.test(name)) props[name.slice(8).replace(/-/g, '_')] = value
    }
    let name = named?.dataset.kzEvent
    if (link) {
      props.href = link.href
      const isDownload = link.hasAttribute('download') || DOCUMENT.test(link.pathname)
      const isOutbound = /^http/.test(link.protocol) && link.host !== loc.host
      if (isDownload || name) props.text = link.innerText?.slice(0, 200)
      name = name || (isDownload ? 'download' : isOutbound && 'outbound_click')
    }
    if (name) send('track', props, name)
  }

  const submitted = (submit) => {
    const form = submit.target
    const traits = {}
    if (!form.hasAttribute('data-kz-identify')) return
    form.querySelectorAll('[data-kz-trait]').forEach((field) => {
      // A password stays one while a "show" button has turned its field into text.
      if (/password/i.test(field.type + field.autocomplete)) return
      if (/^(checkbox|radio)$/.test(field.type) && !field.checked) return
      if (field.value) traits[field.dataset.kzTrait] = field.value
    })
    send('identify', traits)
  }

  // ---- The API ------------------------------------------------------------------------------------------

  let begun = false
  let consented = options.consent !== 'required'
  let held = [] // calls made before the first page view

  // (id), (traits) or (id, traits), as in analytics.js
  const about = (type) => (id, traits) => send(type, Object(id) === id ? id : { ...traits, id: id || undefined })

  const commands = {
    // page(), page(props), page(name, props), page(category, name, props), as in analytics.js
    page(...args) {
      const [name, category] = args.filter((arg) => arg?.trim).reverse()
      viewPage({ name, category, ...args.find((arg) => Object(arg) === arg) })
      flush()
    },
    track: (name, props) => name && send('track', props, name),
    identify: about('identify'),
    group: about('group'),
    alias: about('identify'),
    reset() {
      cut()
      flush(true)
      forget()
      remember(RESET)
    },
  }

  const resume = () => {
    off = blocked || !consented
    if (!off && !begun) begin()
  }

  const api = safe((method, ...args) => api[method](...args))
  Object.entries(commands).forEach(([method, command]) => {
    api[method] = safe((...args) => {
      if (running) command(...args)
      else held.push([method, ...args])
    })
  })
  api.ready = (fn) => setTimeout(fn, 0)
  api.consent = safe((given) => {
    consented = given
    if (given) resume()
    else withdraw(null)
  })
  api.optOut = safe((out = true) => {
    if (out) return withdraw(OPTED_OUT)
    if (recall() === OPTED_OUT) remember(null)
    resume()
  })
  api.version = '__VERSION__'
  win.kizashi = api

  // ---- Start --------------------------------------------------------------------------------------------

  // Nothing counts before somebody sees it: a prerendered page waits for its activation, a background tab
  // for its first showing.
  const begin = () => {
    begun = true
    if (doc.hidden) return on(doc, 'visibilitychange', begin, true)
    if (recall() === OPTED_OUT) withdraw(OPTED_OUT)
    hide()
    if (doc.readyState === 'loading') on(doc, 'DOMContentLoaded', run, true)
    else setTimeout(safe(run), 0) // the calls queued before load come first
  }

  const run = () => {
    running = true
    restoreUnsent()
    active()
    // A page call made before load describes this page view: it takes the place of the automatic one.
    if (!held.some(([method]) => method === 'page')) viewPage()
    held.forEach((args) => api(...args))
    for (const method of ['pushState', 'replaceState']) {
      const original = history[method]
      history[method] = function () {
        const result = original.apply(this, arguments)
        moved()
        return result
      }
    }
    on(win, 'popstate', moved)
    on(win, 'pageshow', (event) => {
      if (!event.persisted) return
      restoreUnsent()
      viewPage()
      flush()
    })
    on(win, 'scroll', (scroll) => {
      if (scroll.target !== doc) return // a carousel turning by itself is no reading
      look()
      active()
    })
    on(win, 'keydown pointerdown pointermove touchstart wheel', active)
    on(doc, 'visibilitychange', () => {
      if (!doc.hidden) return active()
      cut()
      flush()
    })
    on(win, 'pagehide', () => {
      cut()
      visible = false
      // Where sending has been failing this may too: the tab's next page repeats it under the same ids.
      if (fails) save(queue)
      flush(true)
    })
    on(doc, 'click auxclick', clicked)
    on(doc, 'submit', submitted)
    setInterval(safe(tick), 1e3)
    flush()
    if (!busy) reveal()
  }

  resume()
  for (const args of stub?.q || []) api(...args)
})()
