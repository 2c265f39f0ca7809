// A React app whose components own the slots: it draws them anew, changes single texts, adds and removes children
// and whole slots, while the snippet has them filled.
import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'

function App() {
  const [state, setState] = useState({ n: 0, extra: false, shown: true, route: '/react.html' })
  window.set = (change) => setState((old) => ({ ...old, ...change }))
  const go = (route) => {
    history.pushState({}, '', route)
    window.set({ route })
  }
  window.go = go
  return (
    <main>
      <h1 data-kz-slot="title">Original title {state.n}</h1>
      {state.shown && (
        <section data-kz-slot="hero" className={state.n % 2 ? 'odd' : 'even'}>
          {state.extra && <em>extra {state.n}</em>}
          <p>Original hero {state.n}</p>
          {state.extra && <strong>more</strong>}
        </section>
      )}
      <p data-kz-slot="lone">{`Original lone ${state.n}`}</p>
      <section key={state.route} data-kz-slot="view"><p elementtiming={`original ${state.route}`}>Original view of {state.route}</p></section>
      <button id="click" onClick={() => window.set({ n: state.n + 1 })}>count</button>
      <output>{JSON.stringify(state)}</output>
    </main>
  )
}

createRoot(document.getElementById('root')).render(<StrictMode><App /></StrictMode>)
