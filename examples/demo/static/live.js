// The live view: draws what the event stream tells, and starts the visitor over. The HTML comes escaped.
(function () {
  "use strict";
  var find = function (selector) { return document.querySelector(selector); };
  var page = document.body.dataset;
  var frame = find("iframe");
  var visitor = find("[data-visitor]");
  var outbox = find("[data-outbox]");
  var link = find("[data-link]");
  var source;
  var shown = 0;

  function clocks(root) {
    root.querySelectorAll("time[data-at]").forEach(function (time) {
      var at = time.dataset.at;
      var date = new Date(/^\d+$/.test(at) ? Number(at) : at);
      if (isNaN(date)) return;
      time.dateTime = date.toISOString();
      time.textContent = date.toLocaleTimeString("en-GB");
    });
  }

  // Replaces the content and marks what was not there before; what the reader has opened stays open.
  function put(box, html) {
    var keys = new Set(Array.from(box.querySelectorAll("[data-key]"), function (one) { return one.dataset.key; }));
    var open = new Set(Array.from(box.querySelectorAll("details[open]"), function (one) { return one.dataset.keep; }));
    box.innerHTML = html;
    clocks(box);
    box.querySelectorAll("details").forEach(function (one) { one.open = open.has(one.dataset.keep); });
    var first = !box.dataset.drawn;
    box.dataset.drawn = "yes";
    if (first) return;
    box.querySelectorAll("[data-key]").forEach(function (one) {
      if (!keys.has(one.dataset.key)) one.classList.add("is-new");
    });
  }

  // The bar is full at twice the score where intent is high; beyond that more would say nothing.
  function place(score) { return Math.max(0, Math.min(100, (100 * score) / (page.high * 1.6))) + "%"; }

  function count(to) {
    var from = shown, began = performance.now(), still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    shown = to;
    (function tick(now) {
      var part = still ? 1 : Math.min(1, (now - began) / 500);
      var value = from + (to - from) * part;
      find("[data-score]").textContent = part < 1 ? Math.round(value) : to;
      if (part < 1 && shown === to) requestAnimationFrame(tick);
    })(began);
  }

  function onVisitor(data) {
    put(visitor, data.html);
    var facts = visitor.querySelector("[data-intent]");
    var intent = facts ? facts.dataset.intent : "low";
    if (Number(data.score) !== shown) count(Number(data.score));
    find("[data-fill]").style.width = place(Number(data.score));
    find("[data-fill]").dataset.intent = intent;
    find("[data-band]").dataset.intent = intent;
    find("[data-band]").textContent = data.band;
    var said = data.band && data.score + " — " + data.band;
    if (find("[data-status]").textContent !== said) find("[data-status]").textContent = said;
    document.querySelectorAll("[data-step]").forEach(function (step, index) {
      step.classList.toggle("is-done", data.steps[index]);
      step.querySelector("[data-step-done]").hidden = !data.steps[index];
    });
  }

  function linked(on) {
    link.textContent = on ? link.dataset.on : link.dataset.off;
    link.classList.toggle("is-on", on);
  }

  var unlink; // a pause shorter than this is a reconnection nobody needs to see
  function connect() {
    if (source) source.close();
    source = new EventSource(page.events);
    source.onopen = function () { clearTimeout(unlink); unlink = 0; linked(true); };
    source.addEventListener("visitor", function (event) { onVisitor(JSON.parse(event.data)); });
    source.addEventListener("alerts", function (event) { put(outbox, JSON.parse(event.data).html); });
    source.onerror = function () {
      if (!unlink) unlink = setTimeout(function () { linked(false); }, 1500);
      if (this.readyState === EventSource.CLOSED && this === source) setTimeout(connect, 2000);
    };
  }

  frame.addEventListener("load", function () {
    try { find("[data-address]").textContent = frame.contentWindow.location.pathname; } catch (error) { /* elsewhere */ }
  });
  document.querySelectorAll("[data-tick]").forEach(function (tick) { tick.style.left = place(Number(tick.dataset.tick)); });

  find("[data-session]").addEventListener("click", function () {
    frame.src = "/demo/?utm_source=newsletter&utm_medium=email&utm_campaign=back-" + Date.now();
  });

  // The page in the frame says goodbye first: its last beacon would bring the old cookie back.
  find("[data-forget]").addEventListener("submit", function (event) {
    event.preventDefault();
    frame.addEventListener("load", function () {
      setTimeout(function () {
        fetch("/demo/forget", { method: "POST" }).then(function () {
          try { localStorage.removeItem("kz"); sessionStorage.clear(); } catch (error) { /* storage is off */ }
          frame.src = "/demo/";
          connect();
        });
      }, 300);
    }, { once: true });
    frame.src = "about:blank";
  });

  connect();
})();
