// Hydrates when the test says so, with the originals: the decisions are in the page, and the client needs them not.
import { hydrateRoot } from 'react-dom/client'
import { App, ORIGINALS } from './hydrated.jsx'

window.hydrate = () => {
  hydrateRoot(document.getElementById('root'), <App slots={ORIGINALS} />, {
    onRecoverableError: (error) => console.error(`not hydrated: ${error.message}`),
  })
}
