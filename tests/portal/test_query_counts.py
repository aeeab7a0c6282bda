"""Every page is read in a number of queries that neither children nor days nor bookings change."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from families.models import asked_texts, paper_kinds
from portal import town
from portal.reservations.acts import oversights
from portal.reservations.days import notices
from portal.reservations.models import demanding_papers, oversight_rules, texts_of_activities
from portal.reservations.pages import late_offers
from tests.billing.care import tax_pages
from tests.conftest import PUBLIC_PAGES

# Of the home page, two where the town asks for papers, three where it counts oversights.
HOME_LIMIT, PAGE_LIMIT, HISTORY_LIMIT = 19, 14, 21


@pytest.fixture
def client_of_roux(books) -> Client:
    client = Client()
    client.force_login(books.user)
    return client


def queries(client: Client, address: str) -> int:
    town.current()  # kept by every process for half a minute,
    paper_kinds()  # and so is what the town asks for
    asked_texts()
    demanding_papers()
    texts_of_activities()
    oversight_rules()  # and counts,
    oversights.in_use()
    notices.current(timezone.localdate())  # and tells all
    late_offers.let_go(at=timezone.now())  # and what is offered
    with CaptureQueriesContext(connection) as counted:
        client.get(address.partition("#")[0])
    return len(counted)


def test_home_and_pages_of_a_family_stay_within_their_queries(pages, client_of_roux):
    counts = {address: queries(client_of_roux, address) for address in pages}
    assert counts.pop("/") <= HOME_LIMIT
    # One for each kind of what happened.
    assert counts.pop("/mon-historique/") <= HISTORY_LIMIT
    assert {address: count for address, count in counts.items() if count > PAGE_LIMIT} == {}


def test_tax_certificates_stay_within_their_queries(books, client_of_roux):
    counts = {address: queries(client_of_roux, address) for address in tax_pages(books.household)}
    assert {address: count for address, count in counts.items() if count > PAGE_LIMIT} == {}


def test_public_pages_stay_within_their_queries(town):
    assert max(queries(Client(), address) for address in PUBLIC_PAGES) <= PAGE_LIMIT
