// Prints the page's HTML. The decisions come as JSON on the command line: slot -> html.
import { renderToString } from 'react-dom/server'
import { App, ORIGINALS } from './hydrated.jsx'

console.log(renderToString(<App slots={{ ...ORIGINALS, ...JSON.parse(process.argv[2]) }} />))
