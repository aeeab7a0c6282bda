// Many boxes at once: « Tout décocher » of a group, and all days of a family.
for (const group of document.querySelectorAll("[data-ticks]")) {
  const boxes = Array.from(group.querySelectorAll("input[type=checkbox]"));
  if (boxes.length > 1) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "desk-tick";
    const name = () => {
      button.textContent = boxes.some((box) => box.checked) ? "Tout décocher" : "Tout cocher";
    };
    button.addEventListener("click", () => {
      const on = !boxes.some((box) => box.checked);
      for (const box of boxes) {
        box.checked = on;
        box.dispatchEvent(new Event("change", { bubbles: true }));
      }
      name();
    });
    group.addEventListener("change", name);
    (group.querySelector("[data-ticks-here]") ?? group.querySelector("legend, h2")).append(" ", button);
    name();
  }
}

const families = document.querySelector("[data-families]");

if (families) {
  const rows = Array.from(document.querySelectorAll("input[data-family]"));
  const all = Array.from(families.querySelectorAll("input[type=checkbox]"));
  const show = () => {
    for (const one of all) {
      const its = rows.filter((row) => row.dataset.family === one.value);
      const ticked = its.filter((row) => row.checked).length;
      one.checked = ticked > 0;
      one.indeterminate = ticked > 0 && ticked < its.length;
    }
  };
  for (const one of all) {
    one.addEventListener("change", () => {
      for (const row of rows.filter((each) => each.dataset.family === one.value)) {
        row.checked = one.checked;
        row.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
  }
  families.hidden = false;
  document.addEventListener("change", (event) => {
    if (event.target.dataset.family) {
      show();
    }
  });
  // What the browser kept from before the page was left.
  show();
}
