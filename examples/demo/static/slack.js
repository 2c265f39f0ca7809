// The outbox: what has changed arrives by events and is put in place. The HTML comes escaped from the server.
(function () {
  "use strict";
  var box = document.querySelector("[data-messages]");
  var channels = document.querySelector("[data-channels]");

  function clocks(root) {
    root.querySelectorAll("time[data-at]").forEach(function (time) {
      var at = time.dataset.at;
      var date = new Date(/^\d+$/.test(at) ? Number(at) : at);
      if (isNaN(date)) return;
      time.dateTime = date.toISOString();
      time.textContent = date.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
    });
  }

  function show(data) {
    var atEnd = box.scrollTop + box.clientHeight > box.scrollHeight - 80;
    var known = new Set(Array.from(box.querySelectorAll("[data-key]"), function (one) { return one.dataset.key; }));
    box.innerHTML = data.html;
    channels.innerHTML = data.channels;
    clocks(box);
    box.querySelectorAll("[data-key]").forEach(function (one) {
      if (!known.has(one.dataset.key)) one.classList.add("is-new");
    });
    if (atEnd) box.scrollTop = box.scrollHeight;
  }

  function connect() {
    var source = new EventSource(document.body.dataset.events);
    source.addEventListener("alerts", function (event) { show(JSON.parse(event.data)); });
    source.onerror = function () {
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
    };
  }

  clocks(box);
  box.scrollTop = box.scrollHeight;
  connect();
})();
