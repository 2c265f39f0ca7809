// The visitor page: draws what the event stream tells, and finds its way back when the stream breaks.
// The HTML comes escaped from the server.
(function () {
  "use strict";
  var RETRY_MS = 2000, RETRY_MOST_MS = 60000, QUIET_MS = 1500;
  var main = document.querySelector("[data-visitor]");
  var link = document.querySelector("[data-link]");
  var status = document.querySelector("[data-status]");
  var lang = document.documentElement.lang;
  var wait = RETRY_MS;
  var unlink = 0; // a pause shorter than this is a reconnection nobody needs to see

  function all(root, selector) { return Array.from(root.querySelectorAll(selector)); }

  // "3 minutes ago" for the last day; the moment itself stays in the title.
  function ago(root) {
    if (!window.Intl || !Intl.RelativeTimeFormat) return;
    var words = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
    all(root, "time[data-ago]").forEach(function (time) {
      time.title = time.title || time.textContent;
      var seconds = Math.max(0, (Date.now() - Date.parse(time.dateTime)) / 1000);
      if (seconds < 60) time.textContent = words.format(0, "second");
      else if (seconds < 3600) time.textContent = words.format(-Math.floor(seconds / 60), "minute");
      else if (seconds < 86400) time.textContent = words.format(-Math.floor(seconds / 3600), "hour");
      else time.textContent = time.title;
    });
  }

  // Replaces the content and marks what was not there before; what the reader has opened stays open.
  function draw(data) {
    if (data.revision === main.dataset.revision) return;
    var keys = new Set(all(main, "[data-key]").map(function (one) { return one.dataset.key; }));
    var open = new Set(all(main, "details[open]").map(function (one) { return one.dataset.keep; }));
    main.innerHTML = data.html;
    main.dataset.revision = data.revision;
    document.title = data.title + " — Kizashi";
    status.textContent = data.title;
    ago(main);
    all(main, "details").forEach(function (one) { one.open = open.has(one.dataset.keep); });
    all(main, "[data-key]").forEach(function (one) {
      if (!keys.has(one.dataset.key)) one.classList.add("is-new");
    });
  }

  function linked(on) {
    clearTimeout(unlink);
    unlink = on ? 0 : unlink;
    link.hidden = false;
    link.textContent = on ? link.dataset.on : link.dataset.off;
    link.classList.toggle("is-on", on);
  }

  function connect() {
    var source = new EventSource(document.body.dataset.events);
    source.onopen = function () { wait = RETRY_MS; linked(true); };
    source.addEventListener("visitor", function (event) { draw(JSON.parse(event.data)); });
    source.addEventListener("gone", function () { location.reload(); });
    source.onerror = function () {
      // Set once: attempts that keep failing must not put it off for ever.
      if (!unlink) unlink = setTimeout(linked, QUIET_MS, false);
      // The browser comes back by itself, but not after an answer that is an error.
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, RETRY_MOST_MS);
    };
  }

  ago(main);
  setInterval(ago, 20000, main);
  connect();
})();
