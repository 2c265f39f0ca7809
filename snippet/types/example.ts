// Compiled by `npm run types`: what a TypeScript project writes, and what it is stopped from writing.
import { kizashi, load } from 'kizashi-snippet'
import type { Kizashi, Options } from 'kizashi-snippet'
import type {} from 'kizashi-snippet/global'

const options: Options = { src: 'https://k.example.com/kizashi.js', site: 'shop', timeout: 200, consent: 'required' }
const api: Kizashi = load(options)

api.page()
api.page('docs', 'Intro', { n: 1 })
api.track('opened_calculator', { seats: 40 })
api.identify('u1', { title: '社長' })
api.identify({ email: 'taro@example.com' })
api.group('acme', { size: 3 })
api.alias('u2')
api.ready(() => api.consent(true))
api('track', 'called as a function', { n: 1 })
api('page', 'docs', 'Intro')
kizashi.optOut(false)
window.kizashi.reset()
const version: string | undefined = globalThis.kizashi.version
void version

// @ts-expect-error: an event has a name
api.track()
// @ts-expect-error: the tag names its site
load({ src: '/kizashi.js' })
// @ts-expect-error: no such method
api('buy')
// @ts-expect-error: consent is given or not
api.consent('yes')
