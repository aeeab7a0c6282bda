// « À traiter »: keys for who answers all day, only while the request has the focus; « tout décocher ».
const item = document.querySelector("[data-queue]");
const keys = document.querySelector("[data-keys]");
const KEPT = "portail.touches";

if (item && keys) {
  const wanted = keys.querySelector("input");
  keys.hidden = false;
  wanted.checked = localStorage.getItem(KEPT) !== "non";
  wanted.addEventListener("change", () => {
    localStorage.setItem(KEPT, wanted.checked ? "oui" : "non");
    show();
  });
  const show = () => item.classList.toggle("desk-with-keys", wanted.checked);
  show();
  // So that the next one can be answered at once.
  item.focus({ preventScroll: true });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    const other = event.ctrlKey || event.metaKey || event.altKey || event.repeat;
    if (!wanted.checked || typing || other || !item.contains(document.activeElement)) {
      return;
    }
    const meant = item.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (meant) {
      event.preventDefault();
      meant.click();
    }
  });
}

for (const group of document.querySelectorAll("[data-ticks]")) {
  const boxes = Array.from(group.querySelectorAll("input[type=checkbox]"));
  if (boxes.length > 1) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "desk-tick";
    const name = () => {
      button.textContent = boxes.some((box) => box.checked) ? "Tout décocher" : "Tout cocher";
    };
    button.addEventListener("click", () => {
      const on = !boxes.some((box) => box.checked);
      for (const box of boxes) {
        box.checked = on;
        box.dispatchEvent(new Event("change", { bubbles: true }));
      }
      name();
    });
    group.addEventListener("change", name);
    (group.querySelector("[data-ticks-here]") ?? group.querySelector("legend, h2")).append(" ", button);
    name();
  }
}
