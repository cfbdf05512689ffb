// What a comparison gains with JavaScript: going from change to change by buttons and by n and p,
// one or two columns, changes only, and folds open on paper. Everything is readable without it.
const bar = document.querySelector("[data-diff-bar]");
const diff = document.querySelector("[data-diff]");

// A choice outlasts the page where the browser lets it.
function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // The choice then lasts for this page only.
  }
}

if (bar && diff) {
  const changes = [...diff.querySelectorAll("[data-change]")];
  const count = bar.querySelector("[data-diff-count]");
  const keys = bar.querySelector("[data-diff-keys]");
  const sides = bar.querySelector("[data-diff-sides]");
  const only = bar.querySelector("[data-diff-only]");

  let last = -1;

  // Where the reader is: at the change in focus, else the last one gone to, which the count names;
  // at first between the changes above the window's top and those below it.
  function current() {
    const focused = changes.findIndex((change) => change.contains(document.activeElement));
    if (focused >= 0) {
      return focused;
    }
    if (last >= 0) {
      return last;
    }
    const top = bar.getBoundingClientRect().bottom;
    const next = changes.findIndex((change) => change.getBoundingClientRect().bottom > top);
    return next < 0 ? changes.length - 0.5 : next - 0.5;
  }

  function go(step) {
    if (changes.length === 0) {
      return;
    }
    const from = current();
    const to = step > 0 ? Math.floor(from) + 1 : Math.ceil(from) - 1;
    last = (to + changes.length) % changes.length;
    const change = changes[last];
    change.style.scrollMarginBlockStart = `${bar.offsetHeight + 16}px`;
    change.focus({ preventScroll: true });
    change.scrollIntoView({ block: "start" });
    count.textContent = `${last + 1} of ${changes.length}`;
  }

  function isTyping(target) {
    return target.closest("input, textarea, select, [contenteditable]") !== null;
  }

  bar.querySelector("[data-diff-next]").addEventListener("click", () => go(1));
  bar.querySelector("[data-diff-previous]").addEventListener("click", () => go(-1));

  addEventListener("keydown", (event) => {
    const isPlain = !(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey);
    if (!keys.checked || !isPlain || event.isComposing || isTyping(event.target)) {
      return;
    }
    if (event.key === "n" || event.key === "p") {
      event.preventDefault();
      go(event.key === "n" ? 1 : -1);
    }
  });

  function showKeys() {
    for (const key of bar.querySelectorAll("[data-diff-key]")) {
      key.hidden = !keys.checked;
    }
  }

  keys.checked = recall("compare-keys") !== "off";
  keys.addEventListener("change", () => {
    remember("compare-keys", keys.checked ? "on" : "off");
    showKeys();
  });

  function showSides(isOn) {
    diff.dataset.sides = isOn ? "on" : "off";
    sides.setAttribute("aria-pressed", String(isOn));
  }

  sides.addEventListener("click", () => {
    const isOn = diff.dataset.sides === "off";
    showSides(isOn);
    remember("compare-sides", isOn ? "on" : "off");
  });

  only.addEventListener("click", () => {
    const isOn = diff.toggleAttribute("data-changes-only");
    only.setAttribute("aria-pressed", String(isOn));
  });

  showKeys();
  showSides(recall("compare-sides") !== "off");
  count.textContent = changes.length === 1 ? "1 change" : `${changes.length} changes`;
  bar.hidden = false;
}

let closed = [];

addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll(".diff-fold:not([open])")];
  for (const fold of closed) {
    fold.open = true;
  }
});

addEventListener("afterprint", () => {
  for (const fold of closed) {
    fold.open = false;
  }
});
