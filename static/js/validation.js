// The sum follows the children that are ticked to be recorded together; without this, recording says it.

const form = document.querySelector("[data-checking]");
const rows = [...form.querySelectorAll(".sum [data-days]")];
const totals = [...form.querySelectorAll("[data-total] strong")];
const days = form.querySelector("[data-all-days]");

// A child without a box is recorded in any case.
const counts = (row) => row.type !== "checkbox" || row.checked;
const sum = (list, name) => list.reduce((all, row) => all + Number(row.dataset[name]), 0);

function total(list) {
  const booked = list.filter((row) => row.dataset.days !== "0");
  // Half a sum would mislead.
  if (booked.some((row) => row.dataset.cents === undefined)) return "à l'étape suivante";
  return (sum(booked, "cents") / 100).toLocaleString("fr-FR", { style: "currency", currency: "EUR" });
}

function changed() {
  const list = rows.filter(counts);
  const booked = sum(list, "days");
  const cancelled = sum(list, "cancelled");
  const words = [booked && `${booked} jour${booked > 1 ? "s" : ""}`, cancelled && `${cancelled} à annuler`];
  days.textContent = words.filter(Boolean).join(", ");
  for (const one of totals) one.textContent = total(list);
}

// Nothing to tick: what the server said stays.
if (rows.length > 1) {
  form.addEventListener("change", changed);
  changed(); // a page come back to keeps its ticks
}
