// « Copier » beside a field that is only to be copied. Without a script its text is selected and copied by hand.

for (const input of document.querySelectorAll("input[data-copy]")) {
  const group = document.createElement("div");
  group.className = "input-group";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-outline-secondary";
  button.textContent = "Copier";
  const said = document.createElement("span");
  said.className = "form-text";
  said.setAttribute("role", "status");
  input.replaceWith(group);
  group.append(input, button);
  group.after(said);

  input.addEventListener("focus", () => input.select());
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(input.value);
      said.textContent = "Copié.";
    } catch {
      // Not over plain HTTP, nor where the browser's owner forbids it.
      input.select();
      said.textContent = "Copiez le texte sélectionné.";
    }
  });
}
