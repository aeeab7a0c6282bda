"""Messages live in a cookie that no neighbour of the portal's domain can plant."""

import pytest
from django.test import Client

from tests.conftest import Family


@pytest.mark.django_db
def test_a_message_is_kept_in_a_cookie_of_the_hosts_own(stranger: Family, settings):
    settings.MESSAGE_STORAGE = "portal.web.host_messages.HostFallbackStorage"
    settings.SESSION_COOKIE_SECURE = True
    client: Client = stranger.client()
    client.post("/foyer/telephones/", {"phone": "01 02 03 04 05"}, secure=True)
    cookie = client.cookies["__Host-messages"]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
    assert "messages" not in client.cookies
    page = client.get("/foyer/", secure=True).content.decode()
    assert "Vos numéros de téléphone sont enregistrés" in page
