// A page rendered with this visitor's decisions: Node's own modules alone. See README.md.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'

const { KIZASHI_URL: kizashi = 'http://localhost:8080', KIZASHI_SITE: site = 'demo', PORT: port = '3000' } = process.env
const { KIZASHI_SCRIPT: script = `${kizashi}/kizashi.js`, KIZASHI_WAIT_MS: wait = '300' } = process.env
const WAIT_MS = Number(wait) // a page does not wait longer
const YEAR_S = 31_536_000
const ATTRIBUTE = /^(class|title|alt|href|src|(aria|data)-[\w-]+)$/

// slot -> its tag, its attributes and its content as every visitor sees them unless an experience says otherwise
const ORIGINALS = {
  hero: ['section', {}, '<h1>Run your company on one system</h1>'],
  greeting: ['p', {}, 'Good to see you.'],
  cta: ['a', { href: '/contact' }, 'Ask us'],
}

// The visitor's token and what fills the slots; the same token and nothing where Kizashi does not answer.
async function decisions(token, url) {
  try {
    const response = await fetch(`${kizashi}/v1/decisions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ site, v: token, url, slots: Object.keys(ORIGINALS), lang: 'en' }),
      signal: AbortSignal.timeout(WAIT_MS),
    })
    const answer = await response.json()
    if (response.ok && typeof answer.decisions === 'object') return { v: answer.v, found: answer.decisions ?? {} }
  } catch {}
  return { v: token, found: {} }
}

const escape = (text) =>
  text.replace(/[&<>"']/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#x27;' })[sign])

// Whether an attribute may be set: the snippet's own rule.
const safe = ([name, value]) =>
  typeof value === 'string' && ATTRIBUTE.test(name) && !/^javascript:/i.test(value.replace(/[\x00-\x20]/g, ''))

function slot([name, [tag, original, content]], decision) {
  const { html, text, attr, redirect } = Object(decision)
  let attributes = Object.entries(original)
  if (attr && typeof attr === 'object') {
    attributes = Object.entries({ ...original, ...Object.fromEntries(Object.entries(attr).filter(safe)) })
  } else if (typeof text === 'string') content = escape(text)
  else if (typeof html === 'string' && !redirect) content = html
  const written = attributes.map(([key, value]) => ` ${key}="${escape(value)}"`).join('')
  return `<${tag} data-kz-slot="${name}"${written}>${content}</${tag}>`
}

// What the cookie remembers of an address.
const short = (target) => createHash('sha256').update(target).digest('hex').slice(0, 16)

// Where the visitor is sent, if anywhere: to no page twice.
function redirect(found, url, gone) {
  for (const decision of Object.values(found)) {
    const wish = Object(decision).redirect
    const target = typeof wish === 'string' && URL.canParse(wish, url) ? new URL(wish, url).href : ''
    if (/^https?:/.test(target) && target !== url && !gone.includes(short(target))) return target
  }
}

const render = (found) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Acme ERP</title>
<script async src="${escape(script)}" data-site="${escape(site)}" data-timeout="0"></script>
</head>
<body>
${Object.entries(ORIGINALS).map((original) => slot(original, found[original[0]])).join('\n')}
</body>
</html>`

createServer(async (request, response) => {
  const jar = new Map((request.headers.cookie ?? '').split('; ').map((pair) => pair.split(/=(.*)/s)))
  const token = jar.get('kz'), gone = (jar.get('kz_gone') ?? '').split('.').filter(Boolean)
  const url = `http://${request.headers.host}${request.url}`
  const { v, found } = await decisions(token, url)
  const target = redirect(found, url, gone)
  const cookies = []
  if (target) cookies.push(`kz_gone=${[...gone, short(target)].join('.')}; Path=/; HttpOnly; SameSite=Lax`)
  // Add `Secure` where the site is on https.
  if (v && v !== token) cookies.push(`kz=${v}; Path=/; Max-Age=${YEAR_S}; HttpOnly; SameSite=Lax`)
  response.writeHead(target ? 302 : 200, {
    ...(target && { Location: target }),
    'Set-Cookie': cookies,
    'Cache-Control': 'private, no-store',
    'Content-Type': 'text/html; charset=utf-8',
  })
  response.end(target ? '' : render(found))
}).listen(Number(port), '127.0.0.1')
