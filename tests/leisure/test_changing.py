"""« Changer pour… » on the planning of leisure: one page, one number, one letter."""

from datetime import date
from html import unescape

import pytest
import time_machine
from django.core import mail
from django.urls import reverse

from billing.models import FormulaTariff, Tariff, TariffBand
from portal.reservations.acts import booking
from portal.reservations.models import Activity, Booking, Reservation
from portal.reservations.states import BookingState, Outcome
from tests.conftest import Family
from tests.factories import paris
from tests.leisure.cast import WEDNESDAY, fill
from tests.portal.reservations.audit import audit, choices, draft

pytestmark = pytest.mark.django_db


@pytest.fixture
def reads(plays, enrol, wednesdays):
    """Lina, accepted at the centre on Wednesdays."""
    wednesdays.restaurant = wednesdays.centre
    enrolment = enrol(plays, wednesdays)
    return Family(plays.household, plays.guardian, plays.user, plays.child, enrolment)


@pytest.fixture
def morning(reads, wednesdays, now) -> Booking:
    found = draft(reads, wednesdays, at=now, book=choices(wednesdays, [WEDNESDAY], [wednesdays.morning]))
    assert found is not None
    booking.submit(found, by=reads.user, at=now)
    return Booking.objects.get()


@pytest.fixture
def prices(wednesdays) -> None:
    """8 € a morning, 14.50 € a day."""
    for formula, price in ((wednesdays.morning, "8.00"), (wednesdays.whole, "14.50")):
        tariff = Tariff.objects.create(code=formula.code, name=formula.name, valid_from=date(2026, 9, 1))
        TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": price})
        FormulaTariff.objects.create(formula=formula, tariff=tariff)


def page(of: Booking) -> str:
    return reverse("reservations:change", args=[of.pk])


def planning(reads, wednesdays) -> str:
    place = [reads.enrolment.pk, wednesdays.centre.pk, wednesdays.period.pk]
    return reverse("leisure:planning", args=place) + "?semaine=2026-W47"


def text(answer) -> str:
    return " ".join(unescape(answer.content.decode()).split())


def choose(who, of: Booking, formula):
    return who.client().post(page(of), {"formule": str(formula.pk)}, follow=True)


def states() -> dict[str, str]:
    return dict(Booking.objects.order_by("pk").values_list("formula__code", "state"))


def test_the_planning_offers_it_on_what_is_booked_and_nowhere_else(reads, wednesdays, morning):
    shown = reads.client().get(planning(reads, wednesdays)).content.decode()
    assert shown.count('class="cell-change"') == 1
    assert f'href="{page(morning)}"' in shown
    with time_machine.travel(paris(2026, 11, 16, 10, 1), tick=False):
        assert "cell-change" not in reads.client().get(planning(reads, wednesdays)).content.decode()


def test_the_page_says_price_difference_and_deadline_beforehand(reads, wednesdays, morning, prices):
    shown = text(reads.client().get(page(morning)))
    assert "Réservé : <strong>Matinée</strong>, 8,00 €" in shown
    assert "Journée · 14,50 € <strong>(+ 6,50 €)</strong>" in shown
    assert "Changé tout de suite, à changer jusqu'au lundi 16 novembre à 10 h." in shown


def test_two_taps_one_number_and_one_letter(
    reads, wednesdays, morning, prices, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        pass
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        answer = choose(reads, morning, wednesdays.whole)
    change = Reservation.objects.get(is_change=True)
    assert answer.redirect_chain[-1][0] == f"{planning(reads, wednesdays)}#planning"
    assert f"C'est changé : Matinée → Journée (réservation n° {change.number} pour Lina" in text(answer)
    assert states() == {"matinee": BookingState.CANCELLED, "journee": BookingState.ACCEPTED}
    (letter,) = mail.outbox
    assert letter.subject == f"Changement n° {change.number} enregistré pour Lina"
    assert "Changé : Matinée → Journée (1 jour)" in letter.body
    assert "novembre 2026 : mercredi 18" in letter.body
    detail = text(reads.client().get(reverse("reservations:detail", args=[change.pk])))
    assert f"Changement n° {change.number}" in detail and "Matinée → Journée" in detail
    audit()


def test_on_request_the_place_is_kept_and_it_is_said(
    reads, wednesdays, morning, agent, now, django_capture_on_commit_callbacks
):
    Activity.objects.update(processing="on_request")
    assert "Sur demande : la mairie vous répond" in text(reads.client().get(page(morning)))
    answer = choose(reads, morning, wednesdays.whole)
    assert "C'est demandé : Matinée → Journée" in text(answer)
    assert "d'ici là, Matinée reste réservé" in text(answer)
    assert "« Journée » est demandé à la place : ce jour reste réservé" in text(answer)
    mail.outbox.clear()
    change = Reservation.objects.get(is_change=True)
    with django_capture_on_commit_callbacks(execute=True):
        booking.refuse(change.lines.filter(action="book"), reason="Effectif complet.", by=agent, at=now)
    assert "Changement refusé : Matinée reste réservé, au lieu de Journée" in mail.outbox[-1].body
    assert "Motif : Effectif complet." in mail.outbox[-1].body
    audit()


def test_what_is_full_cannot_be_chosen_and_nothing_is_lost(reads, wednesdays, morning):
    fill(wednesdays, WEDNESDAY, "afternoon", 0)
    assert "Complet ce jour-là : votre place actuelle est gardée." in text(reads.client().get(page(morning)))
    answer = choose(reads, morning, wednesdays.whole)
    assert "votre place actuelle est gardée" in text(answer)
    assert states() == {"matinee": BookingState.ACCEPTED}


@pytest.mark.parametrize("posted", ["", "0", "999999", "x", "-1"])
def test_whatever_else_is_posted_is_a_sentence(reads, morning, posted):
    answer = reads.client().post(page(morning), {"formule": posted})
    assert answer.status_code == 200
    assert "Choisissez la formule que vous voulez à la place." in text(answer)
    assert states() == {"matinee": BookingState.ACCEPTED}


def test_a_second_click_changes_nothing(reads, wednesdays, morning):
    choose(reads, morning, wednesdays.whole)
    answer = choose(reads, morning, wednesdays.whole)
    assert "Ce jour n'est plus réservé ainsi" in text(answer)
    assert Reservation.objects.filter(is_change=True).count() == 1


def test_a_stranger_finds_nothing_there(stranger, morning, wednesdays):
    for method in ("get", "post"):
        answer = getattr(stranger.client(), method)(page(morning), {"formule": str(wednesdays.whole.pk)})
        assert answer.status_code == 404


def test_the_page_costs_the_same_for_two_formulas_and_for_ten(
    reads, wednesdays, morning, prices, django_assert_max_num_queries
):
    client = reads.client()
    with django_assert_max_num_queries(40) as first:
        client.get(page(morning))
    for number in range(6):
        wednesdays.activity.formulas.create(code=f"f{number}", name=f"F {number}", parts=["morning"])
    with django_assert_max_num_queries(len(first)):
        client.get(page(morning))


def test_the_change_is_one_line_among_the_reservations(reads, wednesdays, morning):
    choose(reads, morning, wednesdays.whole)
    rows = text(reads.client().get(reverse("reservations:all", args=["leisure"])))
    assert "changement de formule du" in rows
    assert Reservation.objects.get(is_change=True).lines.filter(outcome=Outcome.ACCEPTED).count() == 2
