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

// In a long pile, the line of the request that is shown.
const chosen = document.querySelector(".desk-pile [aria-current]");
if (chosen) {
  const pile = chosen.closest(".desk-pile");
  const under = chosen.getBoundingClientRect().bottom - pile.getBoundingClientRect().bottom;
  if (under > 0) {
    pile.scrollTop += under;
  }
}

// How long a decision can still be taken back; once it is final, its line goes.
for (const line of document.querySelectorAll("[data-held]")) {
  const end = performance.now() + Number(line.dataset.held) * 1000;
  const left = line.querySelector("[data-left]");
  const timer = setInterval(() => {
    const seconds = Math.ceil((end - performance.now()) / 1000);
    if (seconds > 0) {
      const minutes = Math.floor(seconds / 60);
      const rest = String(seconds % 60);
      left.textContent = minutes ? `${minutes} min ${rest.padStart(2, "0")}` : `${rest} s`;
      return;
    }
    clearInterval(timer);
    const list = line.parentElement;
    // Whoever stands on it goes on with the request.
    if (line.contains(document.activeElement)) {
      item?.focus();
    }
    line.remove();
    if (!list.children.length) {
      list.remove();
    }
  }, 1000);
}
