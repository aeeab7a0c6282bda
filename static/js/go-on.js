// What waited for a proof goes on by itself; the button stays for who comes back to the page.

document.querySelector("form[data-go-on]").requestSubmit();
