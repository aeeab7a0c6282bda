// Small help on the pages of a logged-in family. Everything works without it.

// Escape dismisses an open legend; the pointer or the focus leaving it makes it answer again.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const legend of document.querySelectorAll(".legend")) {
    legend.classList.add("is-dismissed");
    legend.querySelector("details").open = false;
  }
});
for (const legend of document.querySelectorAll(".legend")) {
  const listenAgain = () => legend.classList.remove("is-dismissed");
  legend.addEventListener("mouseleave", listenAgain);
  legend.addEventListener("focusout", listenAgain);
  legend.querySelector("details").addEventListener("toggle", (event) => {
    if (event.target.open) listenAgain();
  });
}
document.addEventListener("click", (event) => {
  for (const details of document.querySelectorAll(".legend details[open]")) {
    if (!details.closest(".legend").contains(event.target)) details.open = false;
  }
});
