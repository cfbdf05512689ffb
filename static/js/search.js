// Two conveniences of the search box: "/" goes to it, and titles and tags are proposed while one
// types. The form works without either.
const PAUSE = 150; // milliseconds without a key before anything is asked for
const SHORTEST = 2; // letters

const inputs = [...document.querySelectorAll("[data-search-input]")];

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.target;
  if (at instanceof HTMLElement && at.closest("input, textarea, select, [contenteditable]")) return;
  const input = inputs.find((one) => one.closest("main")) ?? inputs[0];
  if (!input) return;
  event.preventDefault();
  input.focus();
  input.select();
});

for (const [number, input] of inputs.entries()) {
  if (input.dataset.suggestions) propose(input, `suggestions-${number}`);
}

function propose(input, id) {
  const list = document.createElement("ul");
  list.id = id;
  list.className = "suggestions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  list.hidden = true;
  const place = input.parentElement;
  place.classList.add("suggestions-place");
  place.append(list);
  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": id,
  })) {
    input.setAttribute(name, value);
  }
  let timer;
  let asking;
  let chosen = -1;

  const options = () => [...list.children];

  function close() {
    clearTimeout(timer);
    asking?.abort();
    list.hidden = true;
    list.replaceChildren();
    choose(-1);
    input.setAttribute("aria-expanded", "false");
  }

  function choose(index) {
    chosen = index;
    for (const [at, option] of options().entries()) {
      option.setAttribute("aria-selected", String(at === index));
    }
    const option = options()[index];
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  }

  function show({ titles, tags }) {
    const rows = [
      ...tags.map((tag) => ({ text: tag.name, kind: `tag, ${tag.count}`, url: tag.url })),
      ...titles.map((title) => ({ text: title.title, kind: "note", url: title.url })),
    ];
    list.replaceChildren(
      ...rows.map((row, at) => {
        const option = document.createElement("li");
        option.id = `${id}-${at}`;
        option.className = "suggestion";
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.dataset.url = row.url;
        const text = document.createElement("span");
        text.textContent = row.text;
        const kind = document.createElement("span");
        kind.className = "suggestion-kind";
        kind.textContent = row.kind;
        option.append(text, kind);
        return option;
      }),
    );
    list.hidden = rows.length === 0;
    input.setAttribute("aria-expanded", String(rows.length > 0));
    choose(-1);
  }

  async function ask(text) {
    asking?.abort();
    asking = new AbortController();
    try {
      const address = `${input.dataset.suggestions}?${new URLSearchParams({ q: text })}`;
      const response = await fetch(address, { signal: asking.signal });
      if (response.ok) show(await response.json());
    } catch {
      // Typing went on, or the network is away: no suggestions then.
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    const text = input.value.trim();
    if (text.length < SHORTEST) close();
    else timer = setTimeout(ask, PAUSE, text);
  });

  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const last = options().length - 1;
    if (event.key === "ArrowDown") choose(chosen === last ? -1 : chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen === -1 ? last : chosen - 1);
    else if (event.key === "Escape") close();
    else if (event.key === "Enter" && chosen >= 0) location.assign(options()[chosen].dataset.url);
    else return;
    event.preventDefault();
  });

  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[data-url]");
    if (option) location.assign(option.dataset.url);
  });
  input.addEventListener("blur", close);
}
