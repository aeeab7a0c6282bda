// The page of a rule: shows its preview in its place, and while it is written where it says so.
// Without this script « Aperçu » opens a page.

const preview = document.getElementById("rule-preview");
const button = document.querySelector("button[data-preview]");
const PAUSE = 400;

if (preview && button) {
  const form = button.form;
  let timer = 0;
  let request = null;

  const refresh = async () => {
    request?.abort();
    request = new AbortController();
    const typed = new FormData(form);
    // A file has no part in what is shown.
    for (const [name, value] of [...typed]) {
      if (value instanceof File) {
        typed.delete(name);
      }
    }
    try {
      const answer = await fetch(preview.dataset.url, {
        method: "POST",
        body: typed,
        headers: { "X-Requested-With": "fetch" },
        signal: request.signal,
      });
      if (answer.ok) {
        preview.innerHTML = await answer.text();
      }
    } catch (error) {
      if (error.name !== "AbortError") {
        throw error;
      }
    }
  };

  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, PAUSE);
  };

  button.addEventListener("click", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    refresh();
  });
  if ("lives" in preview.dataset) {
    form.addEventListener("input", soon);
    form.addEventListener("change", soon);
  }
}
