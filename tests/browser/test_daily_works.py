"""Fifteen daily works of the desk, each from its first page, and how many clicks they take: docs/desk.md says
so, and is held here. What is typed is not counted, Enter is."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from families.models import User
from portal.desk import jobs
from portal.models import HeldDecision
from portal.reservations.acts import booking, lots
from portal.reservations.acts.overriding import NONE
from portal.reservations.models import Booking, Enrolment, Reservation
from portal.reservations.states import EnrolmentState, LotVerb
from tests import ROOT
from tests.browser.clicks import Clicks
from tests.conftest import NOW, Family
from tests.factories import InvoiceFactory, SchoolClassFactory, paris
from tests.portal.reservations.audit import reserve

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

CALL = paris(2026, 11, 17, 11)  # for Thursday 19 it was too late an hour ago
THURSDAY, MONDAY, TUESDAY, FRIDAY = (date(2026, 11, day) for day in (19, 23, 24, 27))
PHONE = "06 39 98 12 34"
WHY = "La mère est hospitalisée."


@dataclass
class Desk:
    """An agent's hands, and the family that calls."""

    work: Clicks
    page: Page
    family: Family

    def opens(self) -> None:
        """The household, by its telephone."""
        self.work.find(PHONE)

    def plans(self) -> None:
        self.opens()
        self.work.link("Réserver, annuler")

    def ticks(self, day: str) -> None:
        self.work.press(self.page.get_by_label(day).first)
        self.work.button("Suivant")


def find(desk: Desk) -> None:
    desk.opens()
    expect(desk.page.get_by_role("heading", level=1)).to_contain_text(desk.family.household.number)


def balance(desk: Desk) -> None:
    desk.opens()
    expect(desk.page.get_by_text("Solde").first).to_be_visible()


def book(desk: Desk) -> None:
    desk.plans()
    desk.ticks("vendredi 27 novembre")
    desk.work.button("Enregistrer")
    assert Booking.objects.live().filter(day=FRIDAY).exists()


def book_late(desk: Desk) -> None:
    desk.plans()
    desk.ticks("jeudi 19 novembre")
    desk.page.locator("#id_motif_deadline").fill(WHY)
    desk.work.button("Enregistrer")
    assert Booking.objects.live().filter(day=THURSDAY).exists()


def cancel(desk: Desk) -> None:
    desk.opens()
    desk.work.press(desk.page.get_by_role("link", name="Réservation acceptée").first)
    desk.work.button("Annuler cette réservation…")
    desk.page.get_by_label("Vos mots").fill("À la demande de la mère.")
    desk.work.button("Annuler et prévenir les familles")
    assert not Booking.objects.live().filter(day=TUESDAY).exists()


def restore(desk: Desk) -> None:
    desk.opens()
    desk.work.press(desk.page.get_by_role("link", name="à rétablir"))
    desk.page.get_by_label("Vos mots").fill("Annulé par erreur.")
    desk.work.button("Réserver ce jour")
    assert Booking.objects.live().filter(day=MONDAY).exists()


def change_class(desk: Desk) -> None:
    desk.opens()
    desk.work.link("changer de classe ou d’école")
    desk.work.choose("Classe", "CM2")
    desk.work.button("Enregistrer")
    desk.work.button("Confirmer le changement")
    assert desk.family.child.schoolings.filter(school_class__name="CM2").exists()


def see_as_family(desk: Desk) -> None:
    desk.opens()
    desk.work.link("Voir comme la famille")
    expect(desk.page.get_by_text("Rien ne s'enregistre")).to_be_visible()


def correct_phone(desk: Desk) -> None:
    desk.opens()
    desk.work.press(desk.page.locator("a[href*='modifier=responsables']").first)
    desk.page.locator("input[name$='-phone']").first.fill("06 39 98 00 00")
    desk.work.press(desk.page.locator("[name=_save]").last)
    desk.family.guardian.refresh_from_db()
    assert desk.family.guardian.phone == "06 39 98 00 00"


def enter_quotient(desk: Desk) -> None:
    desk.opens()
    desk.work.press(desk.page.get_by_role("link", name="Dossier").first)
    desk.work.press(desk.page.locator("a[href*='modifier=quotients']").first)
    desk.work.press(desk.page.locator(".add-row a").first)
    desk.page.locator("input[name$='-value']:visible").first.fill("612")
    desk.page.locator("input[name$='-valid_from']:visible").first.fill("2026-11-01")
    desk.work.press(desk.page.locator("[name=_save]").last)
    assert desk.family.household.quotients.filter(value=612).exists()


def accept_enrolment(desk: Desk) -> None:
    desk.work.link("Traiter les demandes")
    desk.work.button("Accepter")
    expect(desk.page.get_by_role("button", name="Reprendre la décision").first).to_be_visible()
    assert HeldDecision.objects.exists(), "carried out once it cannot be taken back any more"


def take_payment(desk: Desk) -> None:
    desk.work.link("Encaisser un règlement")
    desk.page.locator("#q").fill(PHONE)  # where the page begins
    desk.work.enter(desk.page.locator("#q"))
    desk.page.locator("#id_amount").fill("12,50")
    desk.work.choose("Moyen de paiement", "Espèces")
    desk.work.press(desk.page.locator(".submit-row [type=submit]").first)
    expect(desk.page.get_by_text("est enregistré").first).to_be_visible()


def cancel_for_a_class(desk: Desk) -> None:
    desk.work.link("Jours de plusieurs enfants")
    desk.work.choose("Quels enfants", "CE1")
    desk.work.press(desk.page.get_by_label("Annuler", exact=True))
    desk.page.locator("#id_first").fill(TUESDAY.isoformat())
    desk.page.locator("#id_reason").fill("Sortie de la classe.")
    desk.work.button("Voir ce qui va se passer")
    desk.work.button("Confirmer")
    assert not Booking.objects.live().filter(day=TUESDAY).exists()


def take_a_lot_back(desk: Desk) -> None:
    family, agent = desk.family, User.objects.get(username="agent")
    planned = lots.plan([family.enrolment], LotVerb.CANCEL, Booking.objects.first().formula, [TUESDAY])
    said = {"whom": "1 enfant choisi", "reason": "Sortie.", "overrides": NONE, "tell": False}
    lot = lots.begin(planned, **said, by=agent, at=CALL)
    lots.go_on(lot.pk, at=CALL)
    jobs.used.forget()
    desk.page.reload()
    desk.work.link("Lots de jours")
    desk.work.press(desk.page.locator("#result_list tbody a").first)
    desk.work.button("Annuler ce lot…")
    desk.work.button("Annuler ce lot")
    assert Booking.objects.live().filter(day=TUESDAY).exists()


def enrol(desk: Desk) -> None:
    Booking.objects.all().delete()
    Reservation.objects.all().delete()
    Enrolment.objects.all().delete()
    desk.opens()
    desk.work.link("Inscrire")
    desk.work.choose("Activité", "Restauration scolaire")
    desk.work.choose("Établissement", str(desk.family.enrolment.establishment))
    desk.work.button("Inscrire et prévenir la famille")
    assert Enrolment.objects.filter(child=desk.family.child, state=EnrolmentState.ACCEPTED).exists()


WORKS: dict[str, Callable[[Desk], None]] = {
    "Find a household by a telephone number": find,
    "Read what it owes": balance,
    "Reserve a day for a child": book,
    "Reserve a day past its deadline, with a reason": book_late,
    "Cancel a reserved day": cancel,
    "Give a cancelled day back": restore,
    "Change a child's class": change_class,
    "Enrol a child": enrol,
    "Accept the enrolment that waits longest": accept_enrolment,
    "Take cash for all that is owed": take_payment,
    "Enter a quotient": enter_quotient,
    "Correct an adult's telephone": correct_phone,
    "Look at the pages as the family does": see_as_family,
    "Cancel a day for a whole class": cancel_for_a_class,
    "Take that back": take_a_lot_back,
}


@pytest.fixture
def desk(agent, books, waits, canteen, school, year, open_page) -> Any:
    for day in (MONDAY, TUESDAY):
        reserve(books, canteen, day, at=NOW)
    Enrolment.objects.filter(pk=waits.enrolment.pk).update(state=EnrolmentState.REQUESTED)
    user = User.objects.get(username="agent")
    user.groups.add(Group.objects.get(name="Guichet"))
    with time_machine.travel(CALL, tick=True):
        booking.cancel(Booking.objects.filter(day=MONDAY), by=agent, at=CALL, reason="Par erreur.")
        InvoiceFactory(household=books.household)
        books.guardian.phone = PHONE
        books.guardian.save()
        SchoolClassFactory(school=school, school_year=year, name="CM2")
        page = open_page("agent")
        page.goto("/mairie/")
        yield Desk(Clicks(page), page, books)


def said() -> dict[str, int]:
    """The last column of the table in docs/desk.md."""
    text = (ROOT / "docs" / "desk.md").read_text()
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \| (\d+) \|$", text, re.MULTILINE)
    return {name: int(now) for name, _, now in rows}


@pytest.mark.parametrize("name", WORKS)
def test_a_daily_work_takes_as_many_clicks_as_its_page_says(name, desk):
    WORKS[name](desk)
    assert (name, desk.work.count) == (name, said().get(name))


def test_the_page_names_no_other_work():
    assert list(said()) == [*WORKS]
