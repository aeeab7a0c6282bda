// What the desk's lists to search in (Django's Select2) leave unnamed takes the name of the field's label.

let numbered = 0;

const nameOf = (select) => {
  const label = select.labels[0];
  if (label && !label.id) label.id = `autocomplete-label-${++numbered}`;
  return label?.id;
};

const name = (select) => {
  const label = nameOf(select);
  const drawn = select.nextElementSibling;
  if (!label || !drawn?.classList.contains("select2")) return;
  const value = drawn.querySelector(".select2-selection__rendered");
  drawn.querySelector("[role=combobox]").setAttribute("aria-labelledby", `${label} ${value.id}`.trim());
  if (value.id) value.setAttribute("aria-labelledby", label);
  drawn.querySelector(".select2-search__field")?.setAttribute("aria-labelledby", label);
};

const nameAll = (root) => root.querySelectorAll("select.admin-autocomplete").forEach(name);

// The list that opens stands apart from its field, with a search field of its own.
const nameOpened = (event) => {
  const opened = document.querySelector(".select2-container--open [role=combobox]");
  const search = event.target;
  if (!opened || !search.matches(".select2-dropdown .select2-search__field")) return;
  search.setAttribute("aria-labelledby", opened.getAttribute("aria-labelledby").split(" ")[0]);
};

// Both after Django's own listeners, which draw the lists.
window.django?.jQuery?.(() => nameAll(document));
document.addEventListener("formset:added", (event) => setTimeout(nameAll, 0, event.target));
document.addEventListener("focusin", nameOpened);
