// Offers « Imprimer » beside what is to be printed, and prints at once where the page asks for it. Without a
// script the browser's own command does it.

for (const place of document.querySelectorAll(".desk-unprinted")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button";
  button.textContent = "Imprimer";
  button.addEventListener("click", () => window.print());
  place.prepend(button, " ");
  if ("printNow" in place.dataset) window.addEventListener("load", () => window.print());
}
