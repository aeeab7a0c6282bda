"""« Régies » at the desk: the first one, what it bills, and what other pages say where there are several."""

from datetime import date
from decimal import Decimal
from html import unescape

import pytest

from billing.models import ActivityRegie, BillingSettings, BookClosing, ManualCharge, Payment, Regie
from billing.payments import paying
from portal.reservations.models import Activity
from tests.billing.conftest import FIRST_OF_DECEMBER
from tests.conftest import logged_in
from tests.factories import UserFactory

D = Decimal
LIST, ADD = "/mairie/billing/regie/", "/mairie/billing/regie/add/"


def text(answer):
    return " ".join(unescape(answer.content.decode()).split())


@pytest.fixture
def desk(two, time_machine):
    """Who may do all, in December."""
    time_machine.move_to(FIRST_OF_DECEMBER, tick=False)
    return logged_in(UserFactory(username="chief", is_staff=True, is_superuser=True))


def typed(**fields):
    return {
        "name": "Piscine",
        "code": "PISCINE",
        "letters": "PI",
        "collection": "regie",
        "cash_float": "0",
    } | fields


def test_a_town_with_one_regie_reads_nothing_of_it(owes, admin_client):
    BillingSettings().save()
    for page in ("payment/", "payment/journal/", "payment/cloture/", "invoice/", "mandate/", "debitfile/"):
        shown = text(admin_client.get(f"/mairie/billing/{page}"))
        assert "Régie</" not in shown and "par régie" not in shown.lower(), page
    assert LIST not in text(admin_client.get("/mairie/"))


def test_the_settings_lead_to_the_first_one(admin_client, canteen, settings):
    BillingSettings().save()
    assert LIST in text(admin_client.get("/mairie/billing/billingsettings/1/change/"))
    answer = admin_client.post(ADD, typed(owned=[canteen.activity.pk]))
    assert answer.status_code == 302, text(answer)
    assert ActivityRegie.objects.get().activity == canteen.activity


def test_an_activity_is_one_regies(admin_client, centre):
    shown = text(admin_client.post(ADD, typed(owned=[centre.activity.pk])))
    assert "Déjà d'une autre régie : Accueil de loisirs : Centre de loisirs" in shown
    assert Regie.objects.count() == 1


def test_its_letters_are_its_own(admin_client, centre):
    shown = text(admin_client.post(ADD, typed(letters="CL")))
    assert "deux régies n'ont jamais les mêmes numéros" in shown


def test_what_it_bills_changes_and_its_letters_do_not(admin_client, centre):
    other = Activity.objects.exclude(pk=centre.activity.pk).get()
    page = f"{LIST}{centre.regie.pk}/change/"
    admin_client.post(page, typed(name="Loisirs", letters="XX", owned=[other.pk]))
    centre.regie.refresh_from_db()
    assert (centre.regie.name, centre.regie.letters) == ("Loisirs", "CL")
    assert [one.activity for one in centre.regie.owned.all()] == [other]


def test_money_taken_at_the_desk_asks_whose_it_is(two, books, centre, desk):
    page = f"/mairie/billing/payment/encaisser/{books.household.pk}/"
    assert "Régie" in text(desk.get(page))
    said = {"amount": "20", "means": "cash", "paid_on": "01/12/2026"}
    assert desk.post(page, said | {"regie": centre.regie.pk}).status_code == 302
    money = Payment.objects.get()
    assert (money.number, money.regie, paying.unused(money)) == ("R-CL2026-000001", centre.regie, D(5))
    shown = text(desk.get("/mairie/billing/payment/"))
    assert "Centre de loisirs" in shown
    assert desk.post(page, said | {"regie": "999"}).status_code == 200


def test_a_ticked_invoice_says_it_better(two, books, centre, desk):
    page = f"/mairie/billing/payment/encaisser/{books.household.pk}/"
    said = {"amount": "15", "means": "cash", "paid_on": "01/12/2026", "invoices": [two[1].pk], "regie": ""}
    desk.post(page, said)
    assert Payment.objects.get().regie == centre.regie


def test_the_cash_book_and_its_closing_are_each_ones(two, books, centre, desk):
    for regie, amount in ((None, "12.80"), (centre.regie.pk, "15")):
        paying.record(
            books.household,
            D(amount),
            "cash",
            paid_on=date(2026, 12, 1),
            by=None,
            at=FIRST_OF_DECEMBER,
            regie=regie,
        )
    book = "/mairie/billing/payment/journal/?mois=2026-12"
    assert "12,80 €" in text(desk.get(book)) and "15,00 €" not in text(desk.get(book))
    assert "15,00 €" in text(desk.get(f"{book}&regie={centre.regie.pk}"))
    assert "12,80 €" in text(desk.get(f"{book}&regie=nonsense"))
    desk.post("/mairie/billing/payment/cloture/", {"until": "30/11/2026", "regie": centre.regie.pk})
    closed = BookClosing.objects.get()
    assert (closed.regie, closed.until) == (centre.regie, date(2026, 11, 30))
    shown = text(desk.get("/mairie/billing/payment/cloture/"))
    assert "Comptes clos : Centre de loisirs jusqu'au 30 novembre 2026." in shown


def test_a_household_has_a_balance_with_each(two, books, centre, desk):
    shown = text(desk.get(f"/mairie/billing/payment/comptes/{books.household.pk}/"))
    assert "Mairie : la famille doit 12,80 €." in shown
    assert "Centre de loisirs : la famille doit 15,00 €." in shown
    shown = text(desk.get("/mairie/billing/payment/comptes/"))
    assert "La famille (à : Centre de loisirs)" in shown
    answer = desk.get("/mairie/billing/payment/comptes/?format=csv")
    rows = b"".join(answer).decode("utf-8-sig").splitlines()
    assert [row.split(";")[-1].strip('"') for row in rows] == ["Régie", "Mairie", "Centre de loisirs"]
    answer = desk.get(f"/mairie/billing/payment/comptes/{books.household.pk}/?format=csv")
    rows = b"".join(answer).decode("utf-8-sig").splitlines()
    assert [row.split(";")[-1].strip('"') for row in rows] == ["Régie", "Mairie", "Centre de loisirs"]


def test_a_line_by_hand_is_given_its_regie(books, centre, admin_client):
    page = "/mairie/billing/manualcharge/add/"
    said = {
        "household": books.household.pk,
        "label": "Sortie",
        "quantity": "1",
        "unit_price": "4",
        "reason": "Sortie",
        "regie": centre.regie.pk,
    }
    assert ">Mairie</option>" in text(admin_client.get(page))
    assert admin_client.post(page, said).status_code == 302
    assert ManualCharge.objects.get().regie == centre.regie
