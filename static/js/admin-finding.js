// « Rechercher », at the head of the desk: results while one types, walked through with the arrows.
// Without this script « Rechercher » opens the page of the same results.

const form = document.getElementById("desk-find");
const PAUSE = 200;

if (form) {
  const field = form.elements.q;
  const status = form.querySelector("[role=status]");
  const results = form.querySelector(".desk-find-results");
  const links = () => [...results.querySelectorAll("a[href]")];
  let timer = 0;
  let request = null;
  let shown = ""; // what the results are of

  const close = () => {
    results.hidden = true;
  };

  const open = () => {
    if (shown && shown === field.value.trim()) results.hidden = false;
  };

  const tell = () => {
    const found = results.querySelectorAll(".desk-found-title").length;
    const first = results.querySelector(".desk-found-none")?.textContent;
    const how = " Flèche vers le bas pour les parcourir.";
    status.textContent = first ?? `${found} résultat${found > 1 ? "s" : ""}.${how}`;
  };

  const refresh = async () => {
    const text = field.value.trim();
    request?.abort();
    if (text === shown) return open();
    if (!text) {
      shown = "";
      return close();
    }
    request = new AbortController();
    try {
      const asked = new URLSearchParams({ q: text, extrait: "1" });
      const answer = await fetch(`${form.action}?${asked}`, { signal: request.signal });
      // Logged out meanwhile: the page itself says so, when it is asked for.
      if (!answer.ok || answer.redirected) return;
      results.innerHTML = await answer.text();
      shown = text;
      open();
      tell();
    } catch {
      // No network, or a letter more: the button stays.
    }
  };

  const step = (by) => {
    const all = links();
    const next = all.indexOf(document.activeElement) + by;
    if (next < 0) field.focus();
    else all[Math.min(next, all.length - 1)]?.focus();
  };

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, PAUSE);
  });
  field.addEventListener("focus", open);

  form.addEventListener("keydown", (event) => {
    if (results.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Escape") {
      event.preventDefault(); // what was typed stays
      field.focus();
      close();
    }
  });

  document.addEventListener("click", (event) => {
    if (!form.contains(event.target)) close();
  });
  form.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !form.contains(event.relatedTarget)) close();
  });
}
