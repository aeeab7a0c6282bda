"""Chromium finds nothing that keeps the portal from being installed."""

import pytest

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_browser_would_install_the_portal(town, open_page):
    page = open_page()
    page.goto("/connexion/")
    devtools = page.context.new_cdp_session(page)
    manifest = devtools.send("Page.getAppManifest")
    assert manifest["url"].endswith("/manifest.webmanifest") and manifest["errors"] == []
    errors = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # Windows of tests are private ones, and those install nothing.
    assert [error["errorId"] for error in errors if error["errorId"] != "in-incognito"] == []
