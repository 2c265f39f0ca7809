// A page that a server renders with this visitor's decisions in its slots, and React then hydrates. The slots'
// content is not React's: docs/snippet.md says how.
import { StrictMode, useEffect, useState } from 'react'

export const ORIGINALS = { hero: '<p>Original hero</p>', side: 'Original side', late: '<p>Original late</p>' }

function Slot({ name, html, as: Tag }) {
  return <Tag data-kz-slot={name} suppressHydrationWarning dangerouslySetInnerHTML={{ __html: html }} />
}

export function App({ slots }) {
  const [n, setN] = useState(0)
  const [hydrated, setHydrated] = useState(false)
  useEffect(() => setHydrated(true), [])
  return (
    <StrictMode>
      <main>
        <Slot as="section" name="hero" html={slots.hero} />
        <Slot as="p" name="side" html={slots.side} />
        <Slot as="section" name="late" html={slots.late} />
        <button onClick={() => setN(n + 1)}>count</button>
        <output>{hydrated ? `hydrated ${n}` : 'rendered'}</output>
      </main>
    </StrictMode>
  )
}
