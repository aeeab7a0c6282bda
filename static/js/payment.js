// The amount of the invoices ticked, updated at once. Without this script the next page says it.
const form = document.querySelector("[data-payment]");
const total = document.querySelector("[data-payment-total]");

function amountOf(box) {
  const typed = form.elements[`montant-${box.value}`];
  if (!typed) return Number(box.dataset.cents);
  const euros = Number(typed.value.replace(/[\s€]/g, "").replace(",", "."));
  return Number.isFinite(euros) ? Math.round(euros * 100) : 0;
}

function update() {
  const cents = [...form.querySelectorAll("[name=facture]:checked")].reduce((sum, box) => sum + amountOf(box), 0);
  const euros = (cents / 100).toLocaleString("fr-FR", { style: "currency", currency: "EUR" });
  total.querySelector("strong").textContent = euros;
  total.hidden = false;
}

if (form && total) {
  form.addEventListener("input", update);
  update();
}
document.querySelector("[data-focus]")?.focus();
