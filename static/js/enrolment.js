// Keeps « Classe » and « Restaurant scolaire » to those of the school chosen, and chooses when only one is left.
// The server checks them in any case.

const school = document.getElementById("id_school");

for (const list of document.querySelectorAll("#id_school_class, #id_restaurant")) {
  const all = [...list.options];
  const narrow = () => {
    const kept = all.filter(({ dataset }) => {
      return !school.value || !dataset.schools || dataset.schools.split(" ").includes(school.value);
    });
    const current = list.value;
    list.replaceChildren(...kept);
    const answers = kept.filter((option) => option.value);
    const [only] = school.value && answers.length === 1 ? answers : [];
    list.value = (answers.find((option) => option.value === current) ?? only)?.value ?? "";
  };
  school.addEventListener("change", narrow);
  narrow();
}
