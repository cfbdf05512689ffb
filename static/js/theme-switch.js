// The theme buttons in the footer: automatic, light, dark. They are hidden without this module,
// because without it they would do nothing.
const root = document.documentElement;

function remember(theme) {
  try {
    if (theme === "auto") {
      localStorage.removeItem("theme");
    } else {
      localStorage.setItem("theme", theme);
    }
  } catch {
    // The choice then lasts for this page only.
  }
}

function apply(theme) {
  if (theme === "auto") {
    delete root.dataset.theme;
  } else {
    root.dataset.theme = theme;
  }
}

for (const group of document.querySelectorAll("[data-theme-switch]")) {
  const buttons = group.querySelectorAll("[data-theme-choice]");

  const show = () => {
    const current = root.dataset.theme ?? "auto";
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === current));
    }
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      apply(button.dataset.themeChoice);
      remember(button.dataset.themeChoice);
      show();
    });
  }

  show();
  group.hidden = false;
}
