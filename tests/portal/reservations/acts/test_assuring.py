"""What opens only with so many children: « sous réserve », then sure or cancelled, and families told."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from portal.reservations.acts import assuring
from portal.reservations.day_rules import needed
from portal.reservations.day_rules.needed import Becomes
from portal.reservations.models import Booking, Closure, Enrolment, NeededChildren, Slot, SureOpening
from portal.reservations.pages.planning import Planning
from portal.reservations.towns.town_file import export
from tests.conftest import logged_in
from tests.factories import UserFactory, paris
from tests.portal.reservations.audit import FRIDAY, MONDAY, audit, give_up, reserve, states

NIGHT = paris(2026, 11, 12, 3)  # four days before the Monday


@pytest.fixture
def two(canteen):
    """Two children at least, decided four days before."""
    # Of the days that nobody books here, nothing is to be said.
    Slot.objects.exclude(day__in=(MONDAY, FRIDAY)).delete()
    return NeededChildren.objects.create(activity=canteen.activity, children=2, days_before=4)


@pytest.fixture
def night(django_capture_on_commit_callbacks, mailoutbox):
    def do(at=NIGHT):
        mailoutbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            done = assuring.decide(at=at)
        return done, sorted((mail.subject, *mail.to) for mail in mailoutbox)

    return do


def cell(who, canteen, day, at):
    enrolment = Enrolment.objects.select_related("activity", "household", "school_year").get(
        pk=who.enrolment.pk
    )
    (plan,) = Planning.together([(enrolment, canteen.restaurant)], canteen.period, at=at)
    return next(one for one in plan.cells.values() if one.day == day)


def test_with_enough_children_it_is_sure_and_the_families_are_told(books, waits, canteen, two, now, night):
    for who in (books, waits):
        reserve(who, canteen, MONDAY, at=now)
    done, mails = night()
    assert done == 1, "of Friday nothing is clear yet"
    assert [subject for subject, _ in mails] == [
        "C'est sûr : l'accueil de Lina a lieu",
        "C'est sûr : l'accueil de Noé a lieu",
    ]
    assert (SureOpening.objects.get().starts_on, night()) == (MONDAY, (0, []))
    audit()


def test_without_them_it_is_cancelled_in_time_and_costs_nothing(books, canteen, two, now, night):
    reserve(books, canteen, MONDAY, FRIDAY, at=now)
    assert night(NIGHT - timedelta(days=1)) == (0, [])
    done, ((subject, _),) = night()
    assert done == 1 and "annul" in subject.lower()
    assert states(books, MONDAY, FRIDAY) == ["cancelled", "accepted"]
    assert Booking.objects.get(day=MONDAY).events.latest("pk").reason == (
        "Pas assez d'enfants inscrits : annulé par la mairie, sans frais."
    )
    assert Closure.objects.get().label == "Pas assez d'enfants inscrits"
    assert night() == (0, [])
    assert cell(books, canteen, MONDAY, NIGHT).note == "Pas assez d'enfants inscrits."
    audit()


def test_a_place_that_nobody_paid_makes_nothing_sure_and_is_waited_for(
    books, waits, canteen, two, now, night
):
    for who in (books, waits):
        reserve(who, canteen, MONDAY, at=now)
    Booking.objects.filter(child=waits.child).update(state="held")
    assert night() == (0, [])
    Booking.objects.filter(child=waits.child).update(state="accepted")
    done, mails = night()
    assert (done, len(mails)) == (1, 2)


def test_what_is_sure_stays_sure(books, waits, canteen, two, now, night):
    for who in (books, waits):
        reserve(who, canteen, MONDAY, at=now)
    night(NIGHT - timedelta(days=2))
    give_up(waits, canteen, MONDAY, at=now)
    night()
    assert states(books, MONDAY) == ["accepted"]


def test_a_day_says_in_its_cell_that_it_is_not_sure(books, canteen, two, now):
    reserve(books, canteen, FRIDAY, at=now)
    said = "Sous réserve : ouvre avec 2 enfants au moins. Réponse le {} au plus tard."
    found = cell(books, canteen, MONDAY, now)
    assert found.note.startswith(said.format("jeudi 12 novembre"))
    assert (found.short, found.field) == ("sous réserve", "book")
    assert cell(books, canteen, FRIDAY, now).note.startswith(said.format("lundi 16 novembre"))
    assuring.confirm(canteen.activity, canteen.restaurant, MONDAY, MONDAY, by=None, at=now)
    assert "Sous réserve" not in cell(books, canteen, MONDAY, now).note


@pytest.mark.parametrize(("per", "said"), [("day", "Ce jour ouvre"), ("period", "Toute la période ouvre")])
def test_the_planning_says_its_next_limit_then_what_makes_the_days_sure(books, canteen, two, now, per, said):
    two.per = per
    two.save()
    canteen.period.starts_on = MONDAY
    canteen.period.save()
    plan = Planning.build(books.enrolment, canteen.restaurant, canteen.period, at=now)
    assert plan.next_limit == (
        "Pour le lundi 16 novembre : réservable jusqu'au samedi 14 novembre à 10\N{NO-BREAK SPACE}h. "
        f"{said} avec 2 enfants au moins : réponse le jeudi 12 novembre au plus tard."
    )


def test_without_the_rule_no_cell_speaks_of_it(books, canteen, now):
    assert "réserve" not in cell(books, canteen, MONDAY, now).short


def test_a_period_is_decided_as_one(books, waits, canteen, two, now, night):
    two.per = "period"
    two.save()
    canteen.period.starts_on = MONDAY
    canteen.period.save()
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, FRIDAY, at=now)
    done, mails = night()
    assert (done, len(mails)) == (1, 2)
    sure = SureOpening.objects.get()
    assert (sure.starts_on, sure.ends_on) == (MONDAY, canteen.period.ends_on)


def test_the_own_calendar_says_it(books, canteen, two, now):
    made = reserve(books, canteen, FRIDAY, at=now)
    page = books.client().get(reverse("reservations:agenda_of", args=[made.pk]))
    assert "Repas (sous réserve)" in page.content.decode().replace("\r\n ", "")


def test_the_town_hall_confirms_before(
    books, canteen, two, now, mailoutbox, django_capture_on_commit_callbacks
):
    reserve(books, canteen, MONDAY, at=now)
    chief = logged_in(UserFactory(is_staff=True, is_superuser=True))
    page = chief.get(f"/mairie/reservations/neededchildren/{two.pk}/change/").content.decode()
    assert "sous réserve : il en manque 1, annulé le jeudi 12 novembre" in page
    with django_capture_on_commit_callbacks(execute=True):
        chief.post(
            "/mairie/reservations/sureopening/add/",
            {
                "activity": canteen.activity.pk,
                "establishment": canteen.restaurant.pk,
                "starts_on": "16/11/2026",
                "ends_on": "16/11/2026",
            },
        )
    assert SureOpening.objects.get().by is not None
    assert [mail.subject for mail in mailoutbox] == ["C'est sûr : l'accueil de Lina a lieu"]
    page = chief.get(f"/mairie/reservations/neededchildren/{two.pk}/change/").content.decode()
    assert "confirmé" in page


def test_the_town_s_file_says_it(two):
    assert "{enfants: 2, jours_avant: 4}" in export()


@given(
    have=st.integers(0, 20), wanted=st.integers(2, 20), before=st.integers(1, 30), passed=st.integers(0, 60)
)
def test_it_is_never_cancelled_with_enough_nor_left_open_after_its_day(have, wanted, before, passed):
    first = date(2026, 12, 14)
    today = first - timedelta(days=60 - passed)
    what = needed.becomes(have, wanted, first, before, today)
    assert (what is Becomes.SURE) == (have >= wanted)
    assert (what is Becomes.WAITS) == (have < wanted and today < needed.decided_on(first, before))
