"""Addresses that programs know by heart."""

from datetime import datetime, timedelta

import pytest
from django.test import Client

from portal.models import Town
from tests.conftest import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]
SECURITY = "/.well-known/security.txt"


def lines(client: Client) -> list[tuple[str, str]]:
    answer = client.get(SECURITY)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    return [
        (name, value)
        for name, _, value in (one.partition(": ") for one in answer.content.decode().split("\n") if one)
    ]


def test_password_managers_find_where_a_password_is_changed(client: Client, books_client: Client):
    assert client.get("/.well-known/change-password").url == "/mon-mot-de-passe/"
    assert books_client.get("/.well-known/change-password", follow=True).status_code == 200


@pytest.mark.parametrize(
    ("email", "phone", "contacts"),
    [
        ("mairie@example.org", "", ["mailto:mairie@example.org"]),
        ("mairie@example.org", "01 02 03 04 05", ["mailto:mairie@example.org", "tel:+33102030405"]),
        ("", "01 02 03 04 05", ["tel:+33102030405"]),
        ("", "", ["http://127.0.0.1:8000/mentions-legales/"]),
    ],
)
def test_whoever_found_a_weakness_finds_the_town(
    client: Client, town: Town, email: str, phone: str, contacts: list[str]
):
    town.email, town.phone = email, phone
    town.save()
    said = lines(client)
    assert [value for name, value in said if name == "Contact"] == contacts
    assert ("Canonical", f"http://127.0.0.1:8000{SECURITY}") in said


def test_it_expires_within_a_year(client: Client, town: Town):
    until = datetime.fromisoformat(dict(lines(client))["Expires"])
    assert timedelta(days=30) < until - NOW < timedelta(days=365)
