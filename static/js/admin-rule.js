// The page of a deadline rule: shows the fields the chosen kind needs, and its preview while it is written.
// Without this script the server shows the fields of the kind last posted, and « Aperçu » opens a page.

const preview = document.getElementById("rule-preview");
const kind = document.getElementById("id_kind");
const PAUSE = 400;

if (preview && kind) {
  const form = kind.form;
  const fieldsOfKind = JSON.parse(document.getElementById("rule-fields").textContent);
  const numberLabels = JSON.parse(document.getElementById("rule-number-labels").textContent);
  const windows = document.querySelector("[data-rule-windows]");
  const numberLabel = form.querySelector("label[for=id_number]");
  let timer = 0;
  let request = null;

  const showFields = () => {
    const needed = ["name", "kind", ...(fieldsOfKind[kind.value] || [])];
    for (const row of form.querySelectorAll("[data-rule-field]")) {
      row.hidden = !needed.includes(row.dataset.ruleField);
    }
    windows.hidden = kind.value !== windows.dataset.ruleWindows;
    if (numberLabel && numberLabels[kind.value]) {
      numberLabel.textContent = `${numberLabels[kind.value]} :`;
    }
  };

  const refresh = async () => {
    request?.abort();
    request = new AbortController();
    try {
      const answer = await fetch(preview.dataset.url, {
        method: "POST",
        body: new FormData(form),
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

  form.querySelector("button[formaction]")?.addEventListener("click", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    refresh();
  });
  kind.addEventListener("change", showFields);
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  showFields();
}
