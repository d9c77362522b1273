// What the pages gain from scripts: filters that apply themselves, forms that are sent once, a confirmation that unlocks its
// button, and operations that are kept up to date. Everything works without it.
"use strict";

for (const field of document.querySelectorAll("[data-submit]")) {
  field.addEventListener("change", () => field.form.requestSubmit());
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    const button = event.submitter;
    if (button) {
      button.setAttribute("aria-disabled", "true");
      button.textContent = "One moment…";
    }
  });
}

// A page that comes back from the browser's memory is usable again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

for (const field of document.querySelectorAll("[data-confirm]")) {
  const button = field.form.querySelector("button[type=submit]");
  if (button.disabled) continue;
  const check = () => {
    button.disabled = field.value.trim() !== field.dataset.confirm;
  };
  field.addEventListener("input", check);
  check();
}

for (const place of document.querySelectorAll("[data-live]")) {
  follow(place);
}

// Each message carries the HTML of one part, made by the same templates as the page, under the id it has in the page.
function follow(place) {
  const said = document.querySelector("[data-live-state]");
  const tell = (text) => {
    if (said && said.textContent !== text) said.textContent = text;
  };
  const source = new EventSource(place.dataset.live);
  source.onopen = () => tell("Kept up to date.");
  source.onerror = () => {
    // A stream that the server refuses is not tried again by the browser; one that broke is.
    tell(source.readyState === EventSource.CLOSED ? "Not up to date any more; reload the page." : "Connection lost; trying again…");
  };
  source.addEventListener("part", (event) => {
    const parts = new DOMParser().parseFromString(event.data, "text/html").body.children;
    for (const part of [...parts]) {
      const old = document.getElementById(part.id);
      if (old) {
        const focused = old.contains(document.activeElement) && document.activeElement.closest("form, a");
        if (!focused) old.replaceWith(part);
      } else if (part.id.startsWith("operation-")) {
        place.append(part);
      }
    }
  });
  source.addEventListener("end", () => {
    if (place.dataset.liveEnd === "reload") {
      source.close();
      location.reload();
    }
  });
  window.addEventListener("pagehide", () => source.close());
}
