// Puts the reader's choice of theme on the page before it is painted. Loaded in the head, not as a
// module, so that a dark page never flashes light. Without a choice, or without storage, the page
// follows the system.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
} catch {
  // Storage is refused in some private windows; the system's theme is a good answer then.
}
