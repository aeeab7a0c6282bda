// « À traiter »: keys for who answers all day, only while the request has the focus.
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
