// Minifies src/kizashi.js into dist/kizashi.js, the file that is served, and prints its sizes.
//
//   node build.mjs                 writes dist/kizashi.js
//   node build.mjs --out FILE      writes FILE
//   node build.mjs --check         writes nothing; exits 1 where dist/kizashi.js is not what a build gives
//
// In all three a build over the size limit exits 1.
import { readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { transform } from 'esbuild'

const LIMIT = 3000 // bytes, gzip -9
const here = (path) => new URL(path, import.meta.url)
const args = process.argv.slice(2)

const { version } = JSON.parse(readFileSync(here('package.json'), 'utf8'))
const source = readFileSync(here('src/kizashi.js'), 'utf8').replace('__VERSION__', version)
const { code } = await transform(source, {
  minify: true,
  target: 'es2020',
  charset: 'utf8',
  legalComments: 'none',
  banner: `/*! Kizashi ${version} | Apache-2.0 */`,
})

const sizes = { raw: Buffer.byteLength(source), min: Buffer.byteLength(code), gzip: gzipSync(code, { level: 9 }).length }
console.log(`kizashi.js: ${sizes.raw} bytes raw, ${sizes.min} minified, ${sizes.gzip} gzip -9 (limit ${LIMIT})`)
if (sizes.gzip > LIMIT) {
  console.error('kizashi.js is over its size limit')
  process.exitCode = 1
}

if (args.includes('--check')) {
  if (readFileSync(here('dist/kizashi.js'), 'utf8') !== code) {
    console.error('dist/kizashi.js is not up to date: run `npm run build` in snippet/')
    process.exitCode = 1
  }
} else {
  writeFileSync(args.includes('--out') ? args[args.indexOf('--out') + 1] : here('dist/kizashi.js'), code)
}
