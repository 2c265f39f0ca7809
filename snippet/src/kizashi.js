// The Kizashi snippet: tells the server what this visitor does, and fills the page's slots with its answers.
//
//   <script async src="https://kizashi.example/kizashi.js" data-site="demo"></script>
//
// It promises the page three things: it never throws, it never hides anything but `[data-kz-slot]` (and that
// only briefly), and when the server does not answer the page stays as it was written. docs/snippet.md has
// every attribute and method.
(() => {
  const doc = document, root = doc.documentElement, loc = location

  // `currentScript` is somebody else's element, or null, when a tag manager bundled or re-created the tag.
  let script = doc.currentScript
  if (!script?.dataset.site) script = doc.querySelector('script[data-site]')

  const stub = window.kizashi
  if (stub?.version) return // the tag is on the page twice

  const { site, host, timeout = 300, consent } = script.dataset
  // Beside the script, so that a path of the site's own may lead to the server.
  const endpoint = new URL('v1/beacon', host || script.src)
  const blocked = navigator.globalPrivacyControl // the visitor's browser says no

  // Every function that the browser or the page calls is `safe`: it throws nothing into the page, and does
  // nothing where the visitor's browser says no.
  const safe = (fn) => (...args) => {
    try {
      return blocked || fn(...args)
    } catch {}
  }

  const LATE_MS = 1e3 // an answer to a page view slower than this leaves the page alone
  const IDLE_MS = 3e4 // without input for this long, nobody is reading
  const DRAW_MS = 30 // what an app needs to draw a new view, its slots and its title
  const KEEP = 500 // unsent events kept while sending fails
  const BATCH = 12e3 // characters of events in a beacon: under 64 KiB where each takes three bytes, and under 100 events
  const ANSWER_MS = 1e4 // the next beacon waits no longer for an answer to the last
  const DRAWS = 99 // a second: were the page to undo every swap at once, neither side would ever stop

  // What the `kz` entry of localStorage can hold besides a visitor token (which always has a dot in it).
  const OPTED_OUT = '-', RESET = '!'

  const DOCUMENT = /\.(pdf|zip|csv|exe|msi|dmg|(doc|xls|ppt)x?)$/i
  const ATTRIBUTE = /^(title|href|(aria|data)-.+|alt|class|src)$/

  // ---- What is remembered: the visitor token over visits, the rest over pages of this tab ----------------

  let queue = [] // events not sent, or sent without success
  let sending = [] // those under way; while sending fails the tab's next page repeats them
  let gone = [] // where this tab has been redirected to

  // Where storage is refused, for this page alone. `local.kz` is read each time: another tab may have got a
  // token, reset or opted out meanwhile.
  const local = safe(() => localStorage)() || {}
  const session = safe(() => sessionStorage)() || {}
  const save = safe(() => { if (!off) session.kz = JSON.stringify([fails ? sending.concat(queue) : queue, gone, fails]) })
  const restore = safe(() => { [queue, gone, fails] = JSON.parse(session.kz) })

  // ---- Events and their queue ---------------------------------------------------------------------------

  const here = () => loc.href.split('#')[0]

  let view, url = here(), ref = doc.referrer // the page view the visitor is on: its event, its address, the one before
  let off = true
  let era = 0 // counts what makes answers under way meaningless: a reset, and leaving, which browsers call a failure
  let busyUntil = 0 // a beacon is under way; the next waits for its answer and its token, but no longer than this
  let running = 0 // the first page view has been taken
  let fails = 0 // beacons failed in a row
  let pause = 0 // seconds before failed events are sent again: longer after each failure

  const push = (type, props, name = type) => {
    // A copy: the page may change its object before it is sent.
    const event = JSON.parse(JSON.stringify({
      title: doc.title, ref, url, props, at: Date.now(), name, id: Date.now() + '' + Math.random(), type,
    }))
    if (!off) queue.push(event)
    return event
  }

  // Sends what is queued. `leaving`: at once, nobody will see the answer.
  const flush = safe(async (leaving) => {
    const v = local.kz, events = [], mine = era, myView = view, asked = asking, start = Date.now()
    off ||= v === OPTED_OUT // in another tab
    if (off || !running || (Date.now() < busyUntil && !leaving)) return
    if (view) view.title = doc.title // single-page apps set it after pushState
    while (queue[0] && JSON.stringify(events).length < BATCH) events.push(queue.shift())
    if (!events[0] && (leaving || !asking)) return
    const body = JSON.stringify({
      site, v, reset: v === RESET, sentAt: start, lang: root.lang, events,
      slots: [...new Set([...slots()].map((element) => element.dataset.kzSlot))],
    })
    if (leaving) {
      if (navigator.sendBeacon(endpoint, body) && !fails) return flush(leaving)
      // Too much at once: the tab's next page sends it. Where sending has been failing this may too: it is repeated.
      queue = events.concat(queue)
      return
    }
    asking = 0
    busyUntil = start + ANSWER_MS
    sending = events
    save()
    let failed = 1, answer
    try {
      const response = await fetch(endpoint, {
        method: 'POST',
        body, // a string goes as text/plain, which needs no preflight
        credentials: 'include',
        keepalive: body.length < 2e4,
      })
      answer = response.ok && await response.json() // otherwise refused: sending it again would not help
      failed = /^5|408|429/.test(response.status)
    } catch {}
    if (failed) await new Promise(setTimeout) // leaving looks like a failure, and is known a moment later
    busyUntil = 0
    if (mine !== era) return
    sending = []
    if (failed) {
      pause = ++fails
      queue = events.concat(queue).slice(-KEEP)
    } else {
      fails = 0
      if (answer?.v) local.kz = answer.v
      if (myView === view && (!asked || Date.now() < start + LATE_MS)) api.swap(answer?.decisions, asked, events)
      if (answer?.live && !script.integrity) import(new URL('../kizashi-live.js?' + site, endpoint)).catch(() => {})
      flush()
    }
    save()
  })

  // Ends all sending. `mark`: what remains in storage.
  const withdraw = (mark) => {
    off = true
    held = []
    queue = []
    era++
    delete session.kz
    delete local.kz
    if (mark) local.kz = mark
  }

  // ---- Slots: hidden briefly, filled, restored ----------------------------------------------------------

  let answers = {} // slot -> decision, for this page view
  let first // those are the first since slots waited for them
  let asking = 0 // slots wait for an answer
  let draws = DRAWS
  let policy

  const RULES = { createHTML: (html) => html }
  // An app goes on changing the nodes that it drew: it finds them where they are kept.
  const MOVES = ['removeChild', 'appendChild', 'insertBefore']

  const slots = () => doc.querySelectorAll('[data-kz-slot]')

  const set = (element, name, value) =>
    value == null ? element.removeAttribute(name) : element.setAttribute(name, value)

  // An animation ends by itself, works under any CSP, and leaves no trace on the element: frameworks that
  // hydrate the page would complain. Later ones win, over those of the page's own style sheet too.
  const veil = (element, visibility) =>
    element.animate({ visibility: [visibility, visibility] }, +timeout)

  // Brings every slot to what its decision says, after each change of the page and before it is painted. New
  // slots are hidden and asked for, those that the page has drawn anew are filled anew.
  const look = (mayHide) => {
    if (running) moved()
    for (const element of slots()) safe(bring)(element, mayHide)
  }

  const bring = (element, mayHide) => {
    const decision = answers[element.dataset.kzSlot]
    let was = element.kz
    if (!was || (was.kept && was.first !== element.firstChild)) {
      was = element.kz = { ...was, first: 0, kept: 0 }
      if (decision === undefined) {
        asking = 1
        if (mayHide && !off) veil(element, 'hidden')
        setTimeout(flush, DRAW_MS)
      }
    }
    if (decision === undefined) return

    const { html, text, attr, redirect } = decision || {}
    const target = redirect?.trim && new URL(redirect, loc).href
    if (first && /^http/.test(target) && target !== loc.href && !gone.includes(target)) {
      gone.push(target)
      save()
      if (session.length) return loc.replace(target)
    }
    const key = JSON.stringify([html, text, attr])
    if (was.key !== key) {
      veil(element, 'revert-layer')
      for (const name in was.attr) set(element, name, was.attr[name])
      MOVES.forEach((move) => delete element[move])
      if (was.kept) element.replaceChildren(was.kept) // the very nodes, with the page's listeners on them
      element.kz = was = { key, attr: {} }
    }
    for (const name in attr) {
      const value = attr[name], old = element.getAttribute(name)
      if (old === value || draws-- < 0 || !ATTRIBUTE.test(name) || /^javascript/.test(new URL(value, loc))) continue
      was.attr[name] = old
      set(element, name, value)
      observer.observe(element, { attributes: true })
    }
    if (attr || redirect || was.first || !(html ?? text)?.trim || draws-- < 0) return
    was.first = 1 // a page that does not allow it is not asked again
    if (element.innerHTML === html || element.textContent === text) return // a server has rendered it
    const nodes = [...element.childNodes], kept = new DocumentFragment()
    policy ||= safe(() => trustedTypes.createPolicy('kizashi', RULES))() || RULES
    if (html) element.innerHTML = policy.createHTML(html)
    kept.append(...nodes)
    // Two texts: a lone one React would take for its own, and change.
    element.append('', text || '')
    was.first = element.firstChild
    was.kept = kept
    MOVES.forEach((move) => {
      element[move] = (...args) =>
        kept[move].apply(args.at(-1)?.parentNode === element ? element : kept, args)
    })
  }
  const observer = new MutationObserver(look)

  // ---- Engaged time and scroll depth --------------------------------------------------------------------

  let mark = 0, lastInput = 0 // times; a page that nobody sees has no input
  let engaged = 0, total = 0 // ms since the last engage event; ms in those of this page view
  let depth = 0 // pixels of the page seen since the last engage event

  // Counts the time up to now.
  const settle = () => {
    const until = Date.now()
    if (until > mark && until - lastInput < IDLE_MS) engaged += until - mark
    mark = until
  }
  const active = () => {
    settle()
    lastInput = doc.hidden ? 0 : mark
  }
  const measure = () => { depth = Math.max(depth, scrollY + innerHeight) }
  const cut = () => {
    settle()
    if (engaged < 100) return // less is nobody's attention
    measure()
    push('engage', { engaged_ms: engaged, scroll: Math.min(100, Math.round(100 * depth / root.scrollHeight)) })
    total += engaged
    engaged = depth = 0
  }
  const tick = () => {
    moved()
    draws = DRAWS
    settle()
    // While sending fails the time adds up in one event instead of pushing others out of the queue.
    if (!fails && engaged > 5e3 + total / 9) cut()
    if (pause-- < 1) flush()
  }

  // ---- Page views ---------------------------------------------------------------------------------------

  const viewPage = (props = {}) => {
    cut()
    active()
    engaged = total = depth = 0
    if (view) ref = url
    url = here()
    answers = {}
    asking = 1
    api.view = view = push('page', props)
  }
  const moved = () => {
    if (url === here()) return // a new fragment alone is no page view
    viewPage()
    setTimeout(flush, DRAW_MS)
  }

  // ---- Clicks and forms ---------------------------------------------------------------------------------

  const send = (type, props, name) => {
    push(type, props, name)
    flush()
  }

  const acted = ({ target, button }) => {
    const isForm = button == null // no mouse: a submit event
    const named = isForm ? target : target.closest('[data-kz-event]:not(form)')
    const link = target.closest('a')
    const props = {}, traits = {}
    if (button > 1) return // a right click opens a menu
    for (const { name, value } of named?.attributes || []) {
      const key = name.split('data-kz-')[1] // `data-kz-plan-name="pro"` -> {plan_name: 'pro'}
      if (key) props[key.replace(/-/g, '_')] = value
    }
    let { event, identify, ...rest } = props
    if (isForm) {
      event ||= 'form_submit'
      rest.form = target.id
      target.querySelectorAll('[data-kz-trait]').forEach((field) => {
        // A password stays one while a "show" button has turned its field into text.
        if (/pass|cc-/.test(field.type + field.autocomplete)) return
        if (/box|radio/.test(field.type) && !field.checked) return
        if (field.value) traits[field.dataset.kzTrait] = field.value
      })
      if (identify != null) push('identify', traits)
    } else if (link) {
      rest.href = link.href
      rest.text = link.innerText.slice(0, 200)
      event ||= link.attributes.download || DOCUMENT.test(link.pathname)
        ? 'download'
        : link.host && link.host !== loc.host && 'outbound_click'
    }
    if (event) send('track', rest, event)
  }

  // ---- The API ------------------------------------------------------------------------------------------

  let consented = !consent
  let held = [] // calls made before the first page view

  // As in analytics.js: page([[category], name], [props]), track(name, [props]), identify([id], [traits])
  const commands = {
    page(props, first, second) {
      viewPage({ name: second || first, category: second && first, ...props })
      flush()
    },
    track: (props, name) => name && send('track', props, name),
    identify: (traits, id) => send('identify', { id, ...traits }),
    group: (traits, id) => send('group', { id, ...traits }),
    alias: (_, id) => send('identify', { id }),
    reset() {
      cut()
      flush(true)
      queue = []
      era++
      save()
      local.kz = RESET
    },
  }

  const api = (method, ...args) => api[method]?.(...args)
  for (const method in commands) {
    api[method] = safe((...args) => {
      const isObject = (arg) => Object(arg) === arg
      if (running) commands[method](args.find(isObject), ...args.filter((arg) => arg && !isObject(arg)))
      else held.push([method, ...args])
    })
  }
  // kizashi-live.js calls it too, and puts itself before it: it looks at the `events` that were answered.
  api.swap = (decisions, asked) => {
    answers = { ...answers, ...decisions }
    first = asked
    look()
  }
  api.ready = async (fn) => fn?.()
  api.consent = safe((given) => {
    consented = given
    given ? start() : withdraw()
  })
  api.optOut = safe((out = true) => {
    if (out) withdraw(OPTED_OUT)
    else {
      if (local.kz === OPTED_OUT) delete local.kz
      start()
    }
  })
  window.kizashi = api

  // ---- Start --------------------------------------------------------------------------------------------

  const leave = (pagehide) => {
    cut()
    lastInput = 0
    flush(pagehide || (busyUntil && local.kz))
    save()
    if (!pagehide) return
    running = 0 // until the back-forward cache brings the page back
    era++
  }

  const handlers = {
    DOMContentLoaded: active, // these two matter while nothing runs: they start it
    pageshow: active,
    scroll(event) {
      if (event.target !== doc) return // a carousel turning by itself is no reading
      measure()
      active()
    },
    keydown: active,
    pointermove: active,
    pointerdown: active,
    wheel: active,
    visibilitychange() {
      if (doc.hidden) leave()
      else active()
    },
    pagehide: leave,
    submit: acted,
    auxclick: acted,
    click: acted,
  }

  // Nothing counts before somebody sees it: a prerendered page waits for its activation, a background tab
  // for its first showing.
  const start = safe(() => {
    off = !consented || local.kz === OPTED_OUT
    if (off || running || doc.hidden || !api.version) return
    look(doc.readyState !== 'complete') // hiding what is being read would be a flicker
    observer.observe(doc, { childList: true, subtree: true })
    if (doc.readyState === 'loading') return
    running = 1
    restore()
    active()
    // A page call made before load describes this page view: it takes the place of the automatic one.
    held.find(([method]) => method === 'page') || viewPage()
    held.forEach((args) => api(...args))
    held = []
    flush()
  })

  const guarded = (fn) => safe((...args) => running ? fn(...args) : start())
  safe(() => navigation.addEventListener('currententrychange', guarded(moved)))()
  for (const type in handlers) addEventListener(type, guarded(handlers[type]), true)
  setInterval(guarded(tick), 1e3)
  stub?.q?.forEach((args) => api(...args))
  api.version = '__VERSION__'
  start()
})()
