// Small help on every page of a logged-in family. Everything works without it.

// Escape closes an open legend, and gives the focus back to its control.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const legend of document.querySelectorAll("details.legend[open]")) {
    legend.open = false;
    if (legend.contains(document.activeElement)) legend.querySelector("summary").focus();
  }
});
