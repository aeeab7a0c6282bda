"""What goes out compressed, and what does not."""

import gzip
from collections.abc import Iterator

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory

from families import calendar_links
from portal.web.compression import CompressTextsMiddleware

ACCEPTS = {"Accept-Encoding": "gzip, deflate, br"}


def answered(response, accepts: str = "gzip"):
    request = RequestFactory().get("/", headers={"Accept-Encoding": accepts})
    return CompressTextsMiddleware(lambda _: response)(request)


def test_a_page_is_compressed_for_who_can_read_it(stranger):
    plain = stranger.client().get("/")
    small = stranger.client().get("/", headers=ACCEPTS)
    assert small["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain
    assert "Mon compte famille" in gzip.decompress(small.content).decode()
    assert len(small.content) < len(plain.content) / 2
    assert small["Content-Length"] == str(len(small.content))
    # A cache in between keeps both apart.
    assert "Accept-Encoding" in plain["Vary"] and "Accept-Encoding" in small["Vary"]


@pytest.mark.parametrize(
    "kind", ["text/html; charset=utf-8", "application/json", "TEXT/CSV", "text/calendar"]
)
def test_texts_are_compressed(kind):
    assert answered(HttpResponse(b"a" * 1000, content_type=kind))["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "kind", ["application/pdf", "application/zip", "image/png", "image/jpeg", "application/octet-stream", ""]
)
def test_what_is_compressed_already_is_left_alone(kind):
    response = HttpResponse(b"a" * 1000)
    response.headers["Content-Type"] = kind
    assert "Content-Encoding" not in answered(response) and "Vary" not in response


def test_a_stream_stays_a_stream():
    def lines() -> Iterator[bytes]:
        yield b"a" * 1000

    response = StreamingHttpResponse(lines(), content_type="text/csv")
    assert "Content-Encoding" not in answered(response)
    assert b"".join(response.streaming_content) == b"a" * 1000


@pytest.mark.parametrize("accepts", ["", "br", "identity", "gzip;q=0", "br, gzip; q=0.0"])
def test_who_does_not_take_it_gets_the_text(accepts):
    assert "Content-Encoding" not in answered(HttpResponse(b"a" * 1000), accepts)


def test_the_length_says_little_of_what_is_inside(stranger):
    """The same page has many lengths: who guesses at its content by them needs many times more tries."""
    client = stranger.client()
    assert len({len(client.get("/foyer/", headers=ACCEPTS).content) for _ in range(8)}) > 3


def test_who_has_it_already_is_told_so_compressed_or_not(stranger, town, now):
    token = calendar_links.make(stranger.guardian, replaces="", at=now)
    address = f"/mon-agenda/{token}.ics"
    small = Client().get(address, headers=ACCEPTS)
    assert small["Content-Encoding"] == "gzip" and small["ETag"].startswith('W/"')
    again = Client().get(address, headers={**ACCEPTS, "If-None-Match": small["ETag"]})
    assert again.status_code == 304
