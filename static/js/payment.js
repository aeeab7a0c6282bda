// The amount of the invoices ticked, updated at once. Without this script the next page says it.
function amountOf(box) {
  const typed = box.form.elements[`montant-${box.value}`];
  if (!typed) return Number(box.dataset.cents);
  const euros = Number(typed.value.replace(/[\s€]/g, "").replace(",", "."));
  return Number.isFinite(euros) ? Math.round(euros * 100) : 0;
}

const inEuros = (cents) => (cents / 100).toLocaleString("fr-FR", { style: "currency", currency: "EUR" });

// Of an invoice paid in part: what stays to be paid, and until when.
function sayWhatIsLeft(box) {
  const said = document.getElementById(`reste-${box.value}`);
  if (!said) return;
  said.dataset.said ??= said.textContent;
  const rest = Number(said.dataset.left) - amountOf(box);
  const part = box.checked && rest > 0 && rest < Number(said.dataset.left);
  said.textContent = part ? `Il restera ${inEuros(rest)} à payer${said.dataset.due}.` : said.dataset.said;
}

function update(form) {
  const total = form.querySelector("[data-payment-total]");
  const boxes = [...form.querySelectorAll("[name=facture]")];
  boxes.forEach(sayWhatIsLeft);
  const cents = boxes.filter((box) => box.checked).reduce((sum, box) => sum + amountOf(box), 0);
  total.querySelector("strong").textContent = inEuros(cents);
  total.hidden = false;
}

// One a régie.
document.querySelectorAll("[data-payment]").forEach((form) => {
  form.addEventListener("input", () => update(form));
  update(form);
});
document.querySelector("[data-focus]")?.focus();
