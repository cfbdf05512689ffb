// What the queue and its loop gain with JavaScript: single keys for their buttons and for moving in
// the list, a lease that is kept while the page is open and given back when it is left, and the next
// draft made ready. Every button is a plain form or link and works without it.
const loop = document.querySelector("[data-loop]");
const list = document.querySelector("[data-list]");
const CHOICE = "queue-keys";

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

function isTyping(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

// --- Keys ---

const keys = document.querySelector("[data-keys]");

function showKeys() {
  for (const hint of document.querySelectorAll("[data-key-hint]")) {
    hint.hidden = !keys.checked;
  }
}

function press(target) {
  const details = target.closest("details");
  if (target.matches("summary") && details) {
    details.open = !details.open || details.querySelector("textarea") !== null;
    (details.querySelector("textarea") ?? target).focus();
    return;
  }
  target.click();
}

if (keys) {
  keys.checked = recall(CHOICE) !== "off";
  keys.addEventListener("change", () => {
    remember(CHOICE, keys.checked ? "on" : "off");
    showKeys();
  });
  document.querySelector("[data-keys-row]").hidden = false;
  showKeys();

  addEventListener("keydown", (event) => {
    const isPlain = !(event.ctrlKey || event.metaKey || event.altKey || event.repeat);
    if (!keys.checked || !isPlain || event.isComposing || isTyping(event.target)) {
      return;
    }
    // Shift makes "?" on most keyboards and must not make a letter act.
    const isShifted = event.shiftKey && event.key !== "?";
    const target = isShifted
      ? null
      : document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (target) {
      event.preventDefault();
      press(target);
    } else if (event.key === " " && !event.shiftKey && select(event.target)) {
      event.preventDefault();
    }
  });
}

// --- The list ---

// Moves from the draft that was reached last, wherever the focus is now.
let reached = -1;

function move(step) {
  const titles = [...list.querySelectorAll("[data-open]")];
  reached = Math.min(Math.max(reached + step, 0), titles.length - 1);
  titles[reached].focus();
  titles[reached].closest("[data-line]").scrollIntoView({ block: "nearest" });
}

function select(target) {
  const box = target.closest("[data-open]")?.closest("[data-line]").querySelector("[type=checkbox]");
  box?.click();
  return Boolean(box);
}

function tellTicked() {
  const told = document.querySelector("[data-ticked]");
  if (told) {
    told.textContent = `(${list.querySelectorAll("[type=checkbox]:checked").length})`;
  }
}

if (list) {
  list.addEventListener("focusin", (event) => {
    const line = event.target.closest("[data-line]");
    reached = [...list.querySelectorAll("[data-line]")].indexOf(line);
  });
  list.addEventListener("change", tellTicked);
  document.querySelector("[data-key=j]")?.addEventListener("click", () => move(1));
  document.querySelector("[data-key=k]")?.addEventListener("click", () => move(-1));
  tellTicked();
}

// --- Leases ---

let isGoingOn = false;
let isLookingCloser = false;
let ahead = "";

function token() {
  return document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
}

function fields(more = {}) {
  const back = document.querySelector("[name=back]")?.value ?? "";
  return new URLSearchParams({ csrfmiddlewaretoken: token(), back, ...more });
}

async function send(address) {
  const answer = await fetch(address, { method: "POST", body: fields() });
  return answer.ok ? answer.json() : null;
}

async function renew() {
  try {
    const said = await send(loop.dataset.renew);
    document.querySelector("[data-lost]").hidden = said === null || said.is_ours;
  } catch {
    // Without a connection the lease ends by itself; deciding is guarded anyway.
  }
}

async function makeReady() {
  try {
    const said = await send(loop.dataset.ahead);
    if (said?.post) {
      ahead = String(said.post);
      for (const field of document.querySelectorAll("[data-ahead-field]")) {
        field.value = ahead;
      }
    }
  } catch {
    // Then the next draft is looked for when it is asked for.
  }
}

if (loop && "waiting" in loop.dataset) {
  let timer = setInterval(renew, Number(loop.dataset.renewSeconds) * 1000);

  addEventListener("submit", (event) => {
    if (event.target.matches("[data-loop-form]")) {
      if (isGoingOn) {
        event.preventDefault(); // A second press must not decide twice.
        return;
      }
      isGoingOn = true;
      clearInterval(timer);
    }
  });

  // Comparing and editing belong to the review: the draft stays with whoever does that.
  addEventListener("click", (event) => {
    const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    isLookingCloser = isPlain && event.target.closest("[data-loop] a[data-key]") !== null;
  });

  addEventListener("pagehide", () => {
    if (!isGoingOn && !isLookingCloser) {
      navigator.sendBeacon(loop.dataset.leave, fields({ ahead }));
    }
    clearInterval(timer);
  });

  // A page that comes back from the browser's memory takes its lease again.
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      isGoingOn = false;
      isLookingCloser = false;
      timer = setInterval(renew, Number(loop.dataset.renewSeconds) * 1000);
      renew();
    }
  });

  makeReady();
}

// --- The toast ---

for (const toast of document.querySelectorAll("[data-toast]")) {
  setTimeout(() => toast.remove(), Number(toast.dataset.seconds) * 1000);
}
