// What the form of a post gains with JavaScript: what is typed is kept on the server for its author
// alone, a preview beside the form, and word of others who have it open. Saving is a plain form.
const form = document.querySelector("[data-edit]");

const KEEP_AFTER = 2000; // milliseconds without a key
const SIGN_EVERY = 45000;
const PREVIEW_AFTER = 1000; // so that steady typing stays within the server's limit
// Browsers send no more than this along after a page is gone.
const LAST_WORD_MAX = 60000;

document.querySelector("[data-focus]")?.focus();

if (form) {
  const said = document.querySelector("[data-edit-kept]");
  const notes = document.querySelector("[data-edit-notes]");
  const proof = document.querySelector("[data-edit-proof]");
  const frame = document.querySelector("[data-edit-frame]");
  const refused = document.querySelector("[data-edit-refused]");
  const toggle = document.querySelector("[data-edit-toggle]");

  let step = 0;
  let isDirty = "dirty" in form.dataset; // holds what is not saved as a revision
  let isKept = !isDirty; // what the form holds now is on the server, or was never touched
  let isSaving = false;
  let underway = null;
  let timer = null;

  function tell(text, isFailed = false) {
    said.textContent = text;
    said.toggleAttribute("data-failed", isFailed);
  }

  // What is typed, without the panel of images: a file goes with its own button only.
  function typed() {
    const data = new FormData(form);
    for (const name of [...data.keys()]) {
      if (name.startsWith("upload-")) {
        data.delete(name);
      }
    }
    return data;
  }

  // A sign of life need not carry the text.
  function values(more) {
    const data = new FormData();
    const whole = typed();
    const names = "typed" in more ? whole.keys() : ["csrfmiddlewaretoken", "tab", "seen", "base"];
    for (const name of names) {
      data.set(name, whole.get(name) ?? "");
    }
    step += 1;
    for (const [name, value] of Object.entries({ step, ...more })) {
      data.set(name, value);
    }
    return data;
  }

  // --- Keeping what is typed ---

  async function send(more) {
    const answer = await fetch(form.dataset.keep, {
      method: "POST",
      body: values(more),
      headers: { Accept: "application/json" },
      redirect: "manual",
    });
    if (answer.type === "opaqueredirect") {
      throw new Error("You are signed out. Sign in in another window, then go on here.");
    }
    const type = answer.headers.get("Content-Type") ?? "";
    if (!type.startsWith("application/json")) {
      throw new Error(`The server answered ${answer.status}.`);
    }
    const told = await answer.json();
    if (!answer.ok) {
      throw new Error(told.error);
    }
    return told;
  }

  function showNotes(texts) {
    const before = [...notes.children].map((note) => note.textContent).join("\n");
    if (before === texts.join("\n")) {
      return;
    }
    notes.replaceChildren(
      ...texts.map((text) => {
        const note = document.createElement("p");
        note.className = "edit-note";
        note.textContent = text;
        return note;
      }),
    );
  }

  async function keep() {
    clearTimeout(timer);
    if (underway) {
      await underway;
    }
    if (isKept || isSaving) {
      return;
    }
    isKept = true;
    underway = (async () => {
      try {
        const told = await send({ typed: "1" });
        showNotes(told.notes);
        if (told.kept) {
          tell(`Kept for you at ${told.at}, not saved.`);
        } else {
          isKept = false;
          tell("This text is saved or thrown away already: open the form again.", true);
        }
      } catch (error) {
        isKept = false;
        tell(`Not kept: your changes are in this window only. ${error.message}`, true);
        timer = setTimeout(keep, SIGN_EVERY);
      }
      underway = null;
    })();
    await underway;
  }

  async function sign() {
    if (isSaving || underway || document.hidden) {
      return;
    }
    try {
      showNotes((await send({})).notes);
    } catch {
      // The next change says so; nothing typed is concerned.
    }
  }

  form.addEventListener("input", () => {
    isDirty = true;
    isKept = false;
    clearTimeout(timer);
    timer = setTimeout(keep, KEEP_AFTER);
    schedulePreview();
  });

  form.addEventListener("submit", (event) => {
    if (event.submitter?.hasAttribute("formaction")) {
      return; // a preview in a window of its own
    }
    if (isSaving) {
      event.preventDefault(); // a second press must not save twice
      return;
    }
    isSaving = true;
    clearTimeout(timer);
  });

  function isSafe() {
    return !isDirty || (isKept && !underway);
  }

  addEventListener("beforeunload", (event) => {
    if (!isSafe() && !isSaving) {
      event.preventDefault();
    }
  });

  addEventListener("visibilitychange", () => {
    if (document.hidden) {
      keep();
    }
  });

  addEventListener("pagehide", () => {
    if (isSaving) {
      return;
    }
    const data = new URLSearchParams(values(isSafe() ? { leave: "1" } : { typed: "1" }));
    if (data.toString().length < LAST_WORD_MAX) {
      navigator.sendBeacon(form.dataset.keep, data);
    }
  });

  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      isSaving = false; // back from the browser's memory: the form is as it was left
    }
  });

  // --- The preview ---

  let previewTimer = null;
  let asked = 0;

  function schedulePreview() {
    clearTimeout(previewTimer);
    previewTimer = setTimeout(preview, PREVIEW_AFTER);
  }

  function isAtTop() {
    return frame.contentWindow?.scrollY ?? 0;
  }

  async function preview() {
    asked += 1;
    const number = asked;
    try {
      const answer = await fetch(form.dataset.preview, {
        method: "POST",
        body: typed(),
        headers: { Accept: "application/json" },
        redirect: "manual",
      });
      if (answer.type === "opaqueredirect") {
        throw new Error("You are signed out. Sign in in another window, then go on here.");
      }
      const told = await answer.json();
      if (number !== asked) {
        return; // a newer one is on its way
      }
      if (!answer.ok) {
        throw new Error(told.error);
      }
      refused.hidden = true;
      proof.innerHTML = told.proof;
      if (!frame.hidden) {
        const place = isAtTop();
        frame.addEventListener("load", () => frame.contentWindow.scrollTo(0, place), {
          once: true,
        });
        frame.srcdoc = told.page;
      }
    } catch (error) {
      refused.textContent = `No preview now. ${error.message}`;
      refused.hidden = false;
    }
  }

  // A link in the preview would lead the frame away from it; those within the text may work.
  frame.addEventListener("load", () => {
    frame.contentDocument?.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[href]");
      if (!link) {
        return;
      }
      event.preventDefault();
      const target = link.getAttribute("href");
      if (target.startsWith("#")) {
        frame.contentDocument.getElementById(decodeURIComponent(target.slice(1)))?.scrollIntoView();
      }
    });
  });

  function recall() {
    try {
      return localStorage.getItem("edit-preview") === "on";
    } catch {
      return false;
    }
  }

  function show(isOn) {
    frame.hidden = !isOn;
    toggle.setAttribute("aria-expanded", String(isOn));
    toggle.textContent = isOn ? "Hide it" : "Show it beside the form";
    form.parentElement.toggleAttribute("data-beside", isOn);
    if (isOn) {
      preview();
    }
  }

  toggle.addEventListener("click", () => {
    const isOn = frame.hidden;
    show(isOn);
    try {
      localStorage.setItem("edit-preview", isOn ? "on" : "off");
    } catch {
      // The choice then lasts for this page only.
    }
  });

  document.querySelector("[data-edit-preview]").hidden = false;
  if (recall()) {
    show(true);
  }

  // --- An image that was added ---

  const insert = document.querySelector("[data-edit-insert]");
  if (insert) {
    insert.hidden = false;
    insert.querySelector("button").addEventListener("click", () => {
      const body = form.elements.namedItem("body");
      body.value = `${body.value.trimEnd()}\n\n${insert.dataset.editInsert}`.trimStart();
      insert.remove();
      body.focus();
      body.setSelectionRange(body.value.length, body.value.length);
      body.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }

  // --- Others ---

  if (isDirty) {
    timer = setTimeout(keep, KEEP_AFTER);
  }
  sign();
  setInterval(sign, SIGN_EVERY);
}
