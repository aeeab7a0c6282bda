// The planning's comfort: buttons act at once, arrows move between days, ticks are saved as one goes.
// The form works without any of this; the server decides again on everything it receives.

const form = document.querySelector("[data-planning-form]");
const tables = [...form.querySelectorAll("[data-planning]")];
const confirmDialog = document.getElementById("confirmer-annulation");

const CELLS = ["book", "wait", "cancel"].map((kind) => `input[name="${kind}"], input[name^="${kind}-"]`).join(", ");
const boxes = (scope = form) => [...scope.querySelectorAll(CELLS)];
// Where several children stand on one page, a field's name ends with what tells theirs apart: « book-57 ».
const kindOf = (box) => box.name.split("-")[0];
const suffixOf = (box) => box.name.slice(kindOf(box).length);
// What buttons tick: days of a child's other home, and those to pass over at the desk, are ticked one by one.
const free = (list) => list.filter((box) => kindOf(box) === "book" && !box.closest(".cell--away, .cell--over"));

const formulaOf = (box) => box.value.slice(0, box.value.indexOf(":"));
const dayOf = (box) => box.value.slice(box.value.indexOf(":") + 1);
const mondayFirst = (day) => (new Date(`${day}T12:00:00Z`).getUTCDay() + 6) % 7;

// Counting and saving -------------------------------------------------------------------------------------

const count = form.querySelector("[data-count]");
let timer = 0;

// The server says what a day costs and, of late ones, how many of a month are left at the usual price: here
// they are only counted, in the order of days, with those chosen in other weeks.
const lateElsewhere = JSON.parse(count.dataset.lateElsewhere ?? "[]");

const chosenDay = (box) => ({
  day: dayOf(box),
  price: Number(box.dataset.price),
  latePrice: Number(box.dataset.latePrice),
  lateMonth: box.dataset.lateMonth && box.dataset.lateMonth + suffixOf(box),
  lateLeft: Number(box.dataset.lateLeft),
});

function cents(days) {
  const seen = {};
  let sum = 0;
  for (const one of days.sort((a, b) => a.day.localeCompare(b.day))) {
    if (one.lateMonth) seen[one.lateMonth] = (seen[one.lateMonth] ?? 0) + 1;
    sum += one.lateMonth && seen[one.lateMonth] > one.lateLeft ? one.latePrice : one.price;
  }
  return sum;
}

// What the days to book cost; nothing unless it is known of each of them.
function total() {
  const ticked = boxes().filter((box) => box.checked && kindOf(box) !== "cancel");
  const elsewhere = count.dataset.centsElsewhere;
  if (elsewhere === "" || ticked.some((box) => box.dataset.price === undefined)) return "";
  const days = [...ticked.map(chosenDay), ...lateElsewhere];
  if (!days.length && !Number(elsewhere ?? 0)) return "";
  return ((Number(elsewhere ?? 0) + cents(days)) / 100).toLocaleString("fr-FR", { style: "currency", currency: "EUR" });
}

function changed() {
  const elsewhere = Number(count.dataset.elsewhere ?? 0);
  const chosen = elsewhere + boxes().filter((box) => box.checked).length;
  const plural = chosen > 1 ? "s" : "";
  const cost = total();
  const late =
    Number(count.dataset.overdueElsewhere ?? 0) +
    boxes().filter((box) => box.checked && box.closest(".cell--overdue")).length;
  count.textContent = chosen
    ? `${chosen} jour${plural} choisi${plural}${cost && ` · ${cost}`}${late ? ` · dont ${late} hors délai` : ""}`
    : "Aucun jour choisi";
  clearTimeout(timer);
  timer = setTimeout(save, 800);
}

// What the server kept. Where another tab had been quicker, the days of both are ticked, and it is said.
function take({ versions, ticked, said, counts }) {
  for (const [name, version] of Object.entries(versions)) form.elements[name].value = version;
  if (counts) showCounts(counts);
  if (!ticked) return;
  for (const box of boxes()) {
    // A day ticked here while the answer was under way stays so.
    if (ticked[box.name]?.includes(box.value)) box.checked = true;
  }
  const notice = form.querySelector("[data-merged]");
  notice.textContent = said;
  notice.hidden = false;
  changed();
}

// Too few days of a week, or too many: counted by the server on each save, and said while one ticks.
function showCounts(sentences) {
  const list = form.querySelector("[data-day-counts]");
  if (!list) return;
  list.replaceChildren(
    ...sentences.map((sentence) => {
      const item = document.createElement("li");
      item.textContent = sentence;
      return item;
    }),
  );
  list.hidden = !sentences.length;
}

let saving = Promise.resolve();
let underWay = 0;

function save() {
  clearTimeout(timer);
  timer = 0;
  underWay += 1;
  saving = saving.then(async () => {
    const data = new FormData(form);
    data.set("do", "save");
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: data,
        headers: { Accept: "application/json" },
        redirect: "error",
      });
      if (answer.ok) take(await answer.json());
    } catch {
      // Offline or logged out: the ticks stay on the page and « Suivant » sends them all.
    } finally {
      underWay -= 1;
    }
  });
  return saving;
}

// « Suivant » waits for a save under way, so that the two do not look like two tabs.
form.addEventListener("submit", (event) => {
  clearTimeout(timer);
  timer = 0;
  if (!underWay) return;
  event.preventDefault();
  const button = event.submitter;
  saving.then(() => form.requestSubmit(button));
});

// Ticking many days ---------------------------------------------------------------------------------------

// Formulas that exclude each other on a day: ticking one unticks the others.
const rivals = JSON.parse(form.dataset.rivals ?? "{}");

function give(box) {
  const against = rivals[formulaOf(box)] ?? [];
  if (!box.checked || kindOf(box) === "cancel" || !against.length) return;
  for (const other of boxes()) {
    const rival = against.includes(Number(formulaOf(other))) && dayOf(other) === dayOf(box);
    if (rival && suffixOf(other) === suffixOf(box) && kindOf(other) !== "cancel") other.checked = false;
  }
}

function tick(list, checked) {
  for (const box of list) {
    box.checked = checked;
    give(box);
  }
  changed();
}

// A formula's menu, as far as its days are on this page; the server does what lies beyond.
function formulaMenu(button) {
  const [verb, row, asked] = button.value.split(":");
  const shown = form.elements.shown?.value;
  const auto = verb === "auto";
  const where = auto ? form.elements[`auto-where-${row}`].value : asked;
  if (where !== shown) return false;
  let list = boxes().filter((box) => formulaOf(box) + suffixOf(box) === row);
  if (auto) {
    const wanted = [...form.querySelectorAll(`input[name="auto-${row}"]:checked`)].map((box) => Number(box.value));
    list = list.filter((box) => wanted.includes(mondayFirst(dayOf(box))));
    button.closest("dialog").close();
  }
  if (verb === "clear") {
    const cancelling = form.dataset.cancelling !== undefined;
    for (const box of list) box.checked = cancelling && kindOf(box) === "cancel";
    changed();
  } else {
    tick(free(list), true);
  }
  return true;
}

function toggle(list) {
  const days = free(list);
  tick(days, !days.every((box) => box.checked));
}

// « ce mois » is on this page, beside days of the months around; « toute la période » is for the server.
const ofMonth = () => boxes().filter((box) => !form.elements.reach || !box.closest(".cell--beyond"));
const reachesFurther = ({ weekday, select, usual }) => {
  if (usual !== undefined) return form.elements.usual_reach?.value === "periode";
  return (weekday ?? select) !== undefined && form.elements.reach?.value === "periode";
};

form.addEventListener("change", ({ target }) => {
  if (target.name === "reach" && form.elements.usual_reach) form.elements.usual_reach.value = target.value;
});

form.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || reachesFurther(button.dataset)) return;
  const { week, weekday, select } = button.dataset;
  if (week !== undefined) {
    // Of the whole period, a week across two months has a row in each.
    const parts = [...form.querySelectorAll("[data-week]")].filter((one) => one.value === button.value);
    toggle(parts.flatMap((one) => boxes(one.closest("tbody"))));
  } else if (weekday !== undefined) {
    toggle(ofMonth().filter((box) => mondayFirst(dayOf(box)) === Number(weekday)));
  } else if (select === "all") {
    tick(free(ofMonth()), true);
  } else if (select === "none") {
    tick(ofMonth(), false);
  } else if (button.dataset.usual !== undefined) {
    const asked = [...form.querySelectorAll('input[name^="usual_weekday"]:checked')];
    const usual = asked.map((box) => box.name.slice("usual_weekday".length) + box.value);
    tick(
      free(ofMonth()).filter((box) => usual.includes(suffixOf(box) + mondayFirst(dayOf(box)))),
      true,
    );
    button.closest("dialog").close();
  } else if (["select", "clear", "auto"].includes(button.value.split(":")[0])) {
    if (!formulaMenu(button)) return;
    const menu = button.closest("details");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  } else {
    return;
  }
  event.preventDefault();
});

// Cancelling asks first ------------------------------------------------------------------------------------

form.addEventListener("change", (event) => {
  const box = event.target;
  if (!box.matches(CELLS)) return;
  if (kindOf(box) === "cancel" && box.checked && confirmDialog) {
    box.checked = false;
    confirmDialog.querySelector("[data-confirm-day]").textContent = box.getAttribute("aria-label");
    confirmDialog.returnValue = "no";
    confirmDialog.showModal();
    confirmDialog.addEventListener(
      "close",
      () => {
        box.checked = confirmDialog.returnValue === "yes";
        box.focus();
        changed();
      },
      { once: true },
    );
    return;
  }
  give(box);
  changed();
});

// Menus close by Escape, and when one goes elsewhere --------------------------------------------------------

const menus = [...form.querySelectorAll("details.drop")];

document.addEventListener("click", (event) => {
  for (const menu of menus) {
    if (menu.open && (!menu.contains(event.target) || event.target.closest("[data-dialog]"))) menu.open = false;
  }
});
form.addEventListener("keydown", (event) => {
  const menu = event.target.closest("details.drop[open]");
  if (event.key !== "Escape" || !menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// Keyboard: one tab stop for a table with its headings, arrows, Home and End inside, months beyond its edges -------

const stopIn = (cell) => boxes(cell)[0] ?? cell.querySelector("button:not(:disabled)");
const stopsOf = (table) => [...table.querySelectorAll("th, td")].map(stopIn).filter(Boolean);
const FOLLOWED = { ArrowDown: "next", PageDown: "next", ArrowUp: "previous", PageUp: "previous" };
// Which end of the next page's month to stand on.
const ARRIVES = "planning-arrives";

for (const table of tables) {
  const list = stopsOf(table);
  if (!list.length) continue;
  const rove = (stop) => {
    for (const other of list) other.tabIndex = other === stop ? 0 : -1;
  };
  rove(boxes(table)[0] ?? list[0]);
  table.addEventListener("focusin", (event) => {
    if (list.includes(event.target)) rove(event.target);
  });
  table.addEventListener("keydown", (event) => {
    if (!list.includes(event.target)) return;
    const next = neighbour(table, event.target, event.key);
    if (next === undefined) return;
    event.preventDefault();
    if (next) next.focus();
    else goBeyond(table, event.key);
  });
}

// The next stop in the direction of `key`; undefined when the key is not ours, null at the edge.
function neighbour(table, stop, key) {
  const cells = [...table.rows].map((row) => [...row.cells].map((cell) => stopIn(cell) ?? null));
  const width = Math.max(...cells.map((row) => row.length));
  // A heading of several rows stands in the first of them only.
  const rows = cells.map((row) => [...Array(width - row.length).fill(null), ...row]);
  const y = rows.findIndex((row) => row.includes(stop));
  const x = rows[y].indexOf(stop);
  const first = (list) => list.find(Boolean) ?? null;
  const column = rows.map((row) => row[x]);
  switch (key) {
    case "ArrowRight":
      return first(rows[y].slice(x + 1));
    case "ArrowLeft":
      return first(rows[y].slice(0, x).reverse());
    case "ArrowDown":
      return first(column.slice(y + 1));
    case "ArrowUp":
      return first(column.slice(0, y).reverse());
    case "Home":
      return first(rows[y].filter((one) => one?.type === "checkbox")) ?? first(rows[y]);
    case "End":
      return first([...rows[y]].reverse());
    case "PageDown":
    case "PageUp":
      return null;
    default:
      return undefined;
  }
}

// Beyond the first or the last week: the month before or after, on this page or on the next one.
function goBeyond(table, key) {
  const way = FOLLOWED[key];
  if (!way) return;
  const other = tables[tables.indexOf(table) + (way === "next" ? 1 : -1)];
  const button = form.querySelector(`[data-month="${way}"]`);
  if (other) {
    boxes(other).at(way === "next" ? 0 : -1)?.focus();
  } else if (button) {
    sessionStorage.setItem(ARRIVES, way);
    button.click();
  }
}

// Once the page is whole: the fragment of its address takes the focus until then.
const arrives = sessionStorage.getItem(ARRIVES);
if (arrives) {
  sessionStorage.removeItem(ARRIVES);
  window.addEventListener("load", () => setTimeout(() => boxes().at(arrives === "next" ? 0 : -1)?.focus()));
}

// A toolbar (children, months, several days at once) is one stop too, with arrows between its buttons.
for (const bar of form.querySelectorAll("[data-one-stop]")) {
  const list = [...bar.querySelectorAll(":scope > button, :scope > a, :scope > .drop > summary")];
  list.forEach((one, place) => {
    one.tabIndex = place ? -1 : 0;
  });
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !list.includes(event.target)) return;
    event.preventDefault();
    const next = list[(list.indexOf(event.target) + step + list.length) % list.length];
    for (const one of list) one.tabIndex = one === next ? 0 : -1;
    next.focus();
  });
}
