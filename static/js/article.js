// What an article page gains with JavaScript: a copy button on code and on long identifiers, every
// group of the meta box open on paper in browsers whose print sheet cannot open it; and the site
// learns that the page was read, once it has been in sight for some seconds.

function copyButton(subject, textOf) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button copy-button";
  button.textContent = "copy";
  button.setAttribute("aria-label", `copy ${subject}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(textOf());
      button.textContent = "copied";
    } catch {
      button.textContent = "select and copy";
    }
    setTimeout(() => {
      button.textContent = "copy";
    }, 2000);
  });
  return button;
}

if (navigator.clipboard) {
  for (const figure of document.querySelectorAll(".code")) {
    const pre = figure.querySelector("pre");
    if (pre) {
      figure.append(copyButton("this code", () => pre.textContent.trimEnd()));
    }
  }

  for (const value of document.querySelectorAll("[data-copy]")) {
    value.after(copyButton(value.dataset.copy, () => value.textContent.trim()));
  }
}

let closed = [];

addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const details of closed) {
    details.open = true;
  }
});

addEventListener("afterprint", () => {
  for (const details of closed) {
    details.open = false;
  }
});

const SEEN_AFTER = 5000;
const seenAddress = document.querySelector("[data-seen]")?.dataset.seen;
let seenTimer = 0;

// A page that is rendered ahead, or in a tab nobody looks at, is hidden; its time begins when shown.
function watchSight() {
  clearTimeout(seenTimer);
  if (document.visibilityState === "visible") {
    seenTimer = setTimeout(() => {
      document.removeEventListener("visibilitychange", watchSight);
      navigator.sendBeacon(seenAddress);
    }, SEEN_AFTER);
  }
}

if (seenAddress) {
  document.addEventListener("visibilitychange", watchSight);
  watchSight();
}
