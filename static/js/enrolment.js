// Keeps the list « Classe » to the classes of the school chosen. The server checks the pair in any case.

const school = document.getElementById("id_school");
const classes = document.getElementById("id_school_class");

if (school && classes) {
  const all = [...classes.options];
  const narrow = () => {
    const name = school.value && school.selectedOptions[0].text;
    const kept = all.filter((option) => !option.value || !name || option.text.endsWith(`– ${name}`));
    const current = classes.value;
    classes.replaceChildren(...kept);
    classes.value = kept.some((option) => option.value === current) ? current : "";
  };
  school.addEventListener("change", narrow);
  narrow();
}
