// Shows the periods of the establishment chosen. The form works, and the server checks the pair, in any case.

const form = document.querySelector("[data-places]");
const none = form.querySelector("[data-none]");
const picks = [...form.querySelectorAll("[data-at]")];

function narrow() {
  const place = form.elements.etablissement.value;
  for (const pick of picks) {
    pick.hidden = Boolean(place) && !pick.dataset.at.split(" ").includes(place);
    if (pick.hidden) pick.querySelector("input").checked = false;
  }
  none.hidden = picks.some((pick) => !pick.hidden);
}

form.addEventListener("change", (event) => {
  if (event.target.name === "etablissement") narrow();
});
narrow();
