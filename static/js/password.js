// « Afficher »: shows what is typed in a password field. Without a script the field works as ever.

for (const input of document.querySelectorAll('input[type="password"]')) {
  const group = document.createElement("div");
  group.className = "input-group";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-outline-secondary";
  button.setAttribute("aria-controls", input.id);
  // A field that moves loses the focus, and with it what a quick hand is typing.
  const typing = document.activeElement === input;
  input.replaceWith(group);
  group.append(input, button);
  if (typing) input.focus();

  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.textContent = shown ? "Masquer" : "Afficher";
    button.setAttribute("aria-label", shown ? "Masquer le mot de passe" : "Afficher le mot de passe");
  };
  show(false);
  button.addEventListener("click", () => show(input.type === "password"));
  // Password managers and the browser's history must find a password field.
  input.form.addEventListener("submit", () => show(false));
}
