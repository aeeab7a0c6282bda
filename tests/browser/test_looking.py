"""Who looks at a page looks at all of it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.browser.journeys import follow
from tests.browser.looking import overflow, violations

DOOR = """<!doctype html><html lang="fr"><title>Porte</title><main><h1>Porte</h1><a href="/lente/">Lente</a>
<button onclick="setTimeout(() => { location = '/lente/' }, 300)">Plus tard</button></main></html>"""
HALVES = (
    '<!doctype html><html lang="fr"><title>Lente</title><p>Bientôt' + " " * 2000,
    '<main><h1>Lente</h1></main><div style="width: 3000px">Large</div></html>',
)


@pytest.fixture
def slow() -> Iterator[str]:
    """The address of a site whose page comes in two halves, the second one a moment later."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            for number, part in enumerate(HALVES if self.path == "/lente/" else [DOOR]):
                half_read.wait(0.7 * number)
                self.wfile.write(part.encode())

        def log_message(self, *_: object) -> None:
            pass

    half_read = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.django_db(transaction=True)
def test_a_page_in_the_making_is_not_judged(open_page, slow):
    page = open_page()
    page.goto(slow)
    page.get_by_role("link", name="Lente").click()
    found = violations(page)
    assert not any("landmark-one-main" in one or "page-has-heading-one" in one for one in found)
    page.goto(slow)
    page.get_by_role("link", name="Lente").click()
    assert len(overflow(page)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_page_that_a_script_asks_for_later_is_followed(open_page, slow):
    page = open_page()
    page.goto(slow)
    follow(page.get_by_role("button", name="Plus tard"))
    assert page.url.endswith("/lente/")
    assert len(overflow(page)) == 1
