// The demo website's own script: the bar and the phone menu. Nothing here is needed to read a page.
(function () {
  "use strict";
  var bar = document.querySelector("[data-bar]");
  if (bar && window.top !== window.self) bar.hidden = true;
  var close = document.querySelector("[data-bar-close]");
  if (close) {
    close.addEventListener("click", function () {
      document.cookie = "demo_bar=off; path=/demo; max-age=31536000; samesite=lax";
      bar.hidden = true;
    });
  }
  var menu = document.getElementById("menu");
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape" && menu) menu.checked = false;
  });
})();
