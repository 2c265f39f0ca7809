// Minifies src/*.js into dist/, the files that are served, and prints their sizes.
//
//   node build.mjs                 writes dist/
//   node build.mjs --out FOLDER    writes into FOLDER
//   node build.mjs --check         writes nothing; exits 1 where dist/ is not what a build gives
//
// In all three a tag over the size limit exits 1. (terser, as it puts constants and functions that are used once
// where they are used: esbuild's output is 75 bytes larger.)
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { minify } from 'terser'

const LIMIT = 3000 // bytes of the tag, gzip -9

// The order in which names are given out: the same text repeats more often with it than with terser's own, which
// counts letters. Found by trying, for kizashi.js; it saves some twenty bytes.
const LETTERS = 'tecanlosmiphfurIkJwYAKQNObTByvWqdLE$zCUjHGPDFXZMRgS_Vx'
const named = (index) =>
  LETTERS[index % LETTERS.length] + (index < LETTERS.length ? '' : named(Math.floor(index / LETTERS.length) - 1))
const names = { get: named, reset() {}, sort() {}, consider() {} }

const here = (path) => new URL(path, import.meta.url)
const args = process.argv.slice(2)
const folder = args.includes('--out') ? pathToFileURL(`${args[args.indexOf('--out') + 1]}/`) : here('dist/')
const { version } = JSON.parse(readFileSync(here('package.json'), 'utf8'))

// Names are given out in a pass of their own: after the first, in the order in which they are left.
async function build(source, isModule) {
  const compress = { passes: 3, unsafe: true, pure_getters: true, booleans_as_integers: true, lhs_constants: false }
  const long = await minify(source, { ecma: 2021, module: isModule, compress, mangle: false })
  const { code } = await minify(long.code, {
    module: isModule,
    compress: false,
    mangle: { nth_identifier: names },
    format: { preamble: `/*! Kizashi ${version} */` },
  })
  return `${code}\n`
}

for (const name of ['kizashi.js', 'kizashi-live.js']) {
  const source = readFileSync(here(`src/${name}`), 'utf8').replace('__VERSION__', version)
  const code = await build(source, name !== 'kizashi.js')
  const packed = gzipSync(code, { level: 9 }).length
  const hash = `sha384-${createHash('sha384').update(code).digest('base64')}` // docs/snippet.md gives it
  console.log(`${name}: ${Buffer.byteLength(source)} bytes raw, ${Buffer.byteLength(code)} minified, ${packed} gzip -9, ${hash}`)
  if (name === 'kizashi.js' && packed > LIMIT) {
    console.error(`${name} is over its size limit, ${LIMIT}`)
    process.exitCode = 1
  }
  if (!args.includes('--check')) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(new URL(name, folder), code)
  } else if (readFileSync(here(`dist/${name}`), 'utf8') !== code) {
    console.error(`dist/${name} is not up to date: run \`npm run build\` in snippet/`)
    process.exitCode = 1
  }
}
