// The page of a deadline rule: shows the fields the chosen kind needs.
// Without this script the server shows the fields of the kind last posted.

const kind = document.getElementById("id_kind");
const needs = document.getElementById("rule-fields");

if (kind && needs) {
  const form = kind.form;
  const fieldsOfKind = JSON.parse(needs.textContent);
  const numberLabels = JSON.parse(document.getElementById("rule-number-labels").textContent);
  const windows = document.querySelector("[data-rule-windows]");
  const numberLabel = form.querySelector("label[for=id_number]");

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

  kind.addEventListener("change", showFields);
  showFields();
}
