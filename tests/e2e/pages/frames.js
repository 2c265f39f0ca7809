// What the browser itself says was painted (Element Timing), how much moved (Layout Instability), and what each
// frame had in the slots.
window.painted = []
window.shifts = []
window.frames_ = []
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) painted.push(entry.identifier)
}).observe({ type: 'element', buffered: true })
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) shifts.push(entry.value)
}).observe({ type: 'layout-shift', buffered: true })
const sample = () => {
  for (const slot of document.querySelectorAll('[data-kz-slot]')) {
    const seen = getComputedStyle(slot).visibility === 'visible' ? slot.innerText.trim() : ''
    if (seen && frames_.at(-1) !== seen) frames_.push(seen)
  }
  requestAnimationFrame(sample)
}
requestAnimationFrame(sample)
