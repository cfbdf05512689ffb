// Progress of a bulk action without loading the page again. When nobody carries it out any more, the
// page of whoever began it goes on by itself: the same form as its button. Works without.
const part = document.querySelector("[data-bulk]");
const SECOND = 1000;

function show(facts) {
  part.querySelector("[data-bulk-bar]").value = facts.done;
  for (const name of ["text", "changed", "skipped"]) {
    const place = part.querySelector(`[data-bulk-${name}]`);
    const text = facts[name].toLocaleString("en-GB");
    if (place.textContent !== text) {
      place.textContent = text;
    }
  }
}

async function look() {
  const answer = await fetch(part.dataset.bulk, { headers: { Accept: "application/json" } });
  if (!answer.ok || answer.redirected) {
    return null;
  }
  return answer.json();
}

async function goOn(form) {
  await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
}

async function follow() {
  let wait = SECOND;
  try {
    const facts = await look();
    if (facts === null) {
      return; // Signed out or gone: the page as it is says what was.
    }
    show(facts);
    if (facts.state !== "running") {
      location.reload();
      return;
    }
    const form = document.querySelector("[data-bulk-go-on]");
    if (!facts.is_alive && form) {
      await goOn(form);
      wait = 0;
    }
  } catch {
    wait = 5 * SECOND; // No connection: look again later.
  }
  setTimeout(follow, wait);
}

if (part && part.dataset.state === "running") {
  follow();
}
