// Opens native dialogs from links marked data-dialog="ID"; the links lead somewhere useful without this.
// With data-dialog-content="SELECTOR", the dialog shows that part of the linked page.

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (dialog && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      if (opener.dataset.dialogContent) {
        showPart(opener, dialog);
      } else {
        dialog.showModal();
      }
    }
    return;
  }
  const closer = event.target.closest("dialog [data-close]");
  if (closer) {
    event.preventDefault();
    closer.closest("dialog").close();
  } else if (event.target.matches("dialog[open]")) {
    event.target.close(); // a click on the backdrop
  }
});

async function partOf(link) {
  const answer = await fetch(link.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector(link.dataset.dialogContent);
}

async function showPart(link, dialog) {
  const part = await partOf(link).catch(() => null);
  if (!part) {
    location.href = link.href; // no network, or logged out meanwhile: the page itself says so
    return;
  }
  dialog.querySelector(".dialog-body").replaceChildren(part);
  if (!dialog.open) dialog.showModal(); // two clicks open it once
}
