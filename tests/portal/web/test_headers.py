"""What every answer tells the browser: nothing from elsewhere, no frame, no camera, no trace."""

import pytest
from django.test import Client

from tests.conftest import Family

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["/connexion/", "/", "/nulle-part/", "/mairie/", "/sante/"])
def response(request):
    return Client().get(request.param)


def test_scripts_and_styles_come_from_the_portal_only(response):
    policy = dict(
        directive.strip().split(" ", 1) for directive in response["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in response["Content-Security-Policy"]


def test_other_headers_are_strict_too(response):
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]


def test_cookies_are_out_of_reach_of_scripts_and_other_sites():
    cookies = Client().get("/connexion/").cookies
    assert all(cookie["samesite"] == "Lax" for cookie in cookies.values())
    assert all(cookie["httponly"] for name, cookie in cookies.items() if name == "sessionid")


@pytest.mark.parametrize(
    "path", ["/", "/foyer/", "/factures/", "/enfants/{}/", "/enfants/{}/sante/", "/nulle-part/"]
)
def test_no_browser_keeps_what_a_family_was_shown(stranger: Family, path: str):
    answer = stranger.client().get(path.format(stranger.child.pk))
    assert answer["Cache-Control"] == "private, no-store"


def test_what_is_the_same_for_everyone_may_be_kept(stranger: Family):
    assert "public" in stranger.client().get("/ville.css")["Cache-Control"]
    assert not Client().get("/donnees-personnelles/").has_header("Cache-Control")
