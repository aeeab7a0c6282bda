"""The yearly right: asked for, changed, granted or refused."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from families.models import Child, Custody, Household
from portal.reservations.acts import enrolling
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.models import Activity, Enrolment, Schooling
from portal.reservations.states import EnrolmentState
from tests.factories import (
    ChildFactory,
    EstablishmentFactory,
    GuardianFactory,
    SchoolClassFactory,
    UserFactory,
)

FIRST_DAY = date(2026, 11, 16)


@pytest.fixture
def ask(canteen, year, now):
    """A family asks for the canteen for its child (or `child`)."""

    def request(who, child=None, **details) -> Enrolment:
        wanted = {"establishment": canteen.restaurant, "weekdays": 0b01011, "starts_on": FIRST_DAY}
        return enrolling.request(
            household=who.household,
            child=child or who.child,
            activity=canteen.activity,
            school_year=year,
            by=who.user,
            at=now,
            **(wanted | details),
        )

    return request


# Asking ---------------------------------------------------------------------------------------------------


def test_an_enrolment_waits_for_the_town_hall(stranger, canteen, ask):
    enrolment = ask(stranger)
    assert (enrolment.state, enrolment.requested_by, enrolment.decided_at) == (
        EnrolmentState.REQUESTED,
        stranger.user,
        None,
    )
    assert (enrolment.weekdays, enrolment.starts_on, enrolment.establishment) == (
        0b01011,
        FIRST_DAY,
        canteen.restaurant,
    )


def test_where_the_activity_says_so_it_is_accepted_at_once(stranger, canteen, ask, now):
    canteen.activity.enrolment_processing = Activity.Processing.AUTOMATIC
    canteen.activity.save()
    enrolment = ask(stranger)
    assert (enrolment.state, enrolment.decided_at) == (EnrolmentState.ACCEPTED, now)


def test_a_child_is_enrolled_once_a_year(books, ask):
    with pytest.raises(EnrolmentRefused, match="Lina a déjà une inscription"):
        ask(books)
    assert Enrolment.objects.count() == 1


def test_after_a_refusal_one_may_ask_again(stranger, ask, agent, now):
    enrolling.refuse(ask(stranger), reason="Dossier incomplet.", by=agent, at=now)
    assert ask(stranger).state == EnrolmentState.REQUESTED


def test_both_homes_of_a_child_may_enrol_it(books, stranger, ask):
    Custody.objects.create(child=books.child, household=stranger.household)
    assert ask(stranger, books.child).household == stranger.household


def test_a_refused_household_enrols_nobody(stranger, ask):
    """One that still waits prepares: `test_preparing.py`."""
    stranger.household.state = Household.State.REFUSED
    stranger.household.save()
    with pytest.raises(EnrolmentRefused, match="n'a pas validé"):
        ask(stranger)


def test_age_limits_hold_on_days_not_on_the_first_one(stranger, canteen, ask):
    """Who is taken on some day of the year may enrol; the days say the rest: `test_limits.py`."""
    canteen.activity.min_age, canteen.activity.max_age = 3, 11
    baby = ChildFactory(birth_date=date(2024, 7, 3), first_name="Tom", households=[stranger.household])
    teen = ChildFactory(birth_date=date(2014, 11, 16), first_name="Ana", households=[stranger.household])
    with pytest.raises(EnrolmentRefused, match=r"Tom aura 2 ans le vendredi 2 juillet .* à partir de 3 ans"):
        ask(stranger, baby)
    with pytest.raises(EnrolmentRefused, match=r"Ana aura 12 ans .* jusqu'à 11 ans"):
        ask(stranger, teen)
    Child.objects.filter(pk=baby.pk).update(birth_date=date(2024, 7, 2))
    assert ask(stranger, Child.objects.get(pk=baby.pk)).child == baby
    assert ask(stranger, teen, starts_on=date(2026, 11, 15)).child == teen


# Changing -------------------------------------------------------------------------------------------------


def change(enrolment: Enrolment, **details) -> Enrolment:
    kept = {
        "establishment": enrolment.establishment,
        "weekdays": enrolment.weekdays,
        "starts_on": enrolment.starts_on,
    }
    return enrolling.change(enrolment, at=timezone.now(), **(kept | details))


def test_usual_days_change_without_asking(books):
    changed = change(books.enrolment, weekdays=0b1)
    changed.refresh_from_db()
    assert (changed.weekdays, changed.state) == (0b1, EnrolmentState.ACCEPTED)


def test_another_restaurant_is_taken_over_while_the_town_hall_has_not_answered(books):
    """Afterwards days are booked there: `test_moving.py`."""
    elsewhere = EstablishmentFactory()
    assert change(books.enrolment, establishment=elsewhere).establishment != elsewhere
    Enrolment.objects.update(state=EnrolmentState.REQUESTED)
    assert change(books.enrolment, establishment=elsewhere).establishment == elsewhere


def test_what_the_town_hall_decided_meanwhile_is_not_undone(books, agent, now):
    stale = Enrolment.objects.get(pk=books.enrolment.pk)
    Enrolment.objects.update(state=EnrolmentState.ENDED)
    with pytest.raises(EnrolmentRefused, match="Cette inscription est terminée : elle ne change plus"):
        change(stale, weekdays=0b1)
    stale.refresh_from_db()
    assert (stale.state, stale.weekdays) == (EnrolmentState.ENDED, books.enrolment.weekdays)


# Answering ------------------------------------------------------------------------------------------------


def test_an_agent_accepts(stranger, ask, agent, now):
    enrolment, later = ask(stranger), now + timedelta(days=1)
    assert enrolling.accept(enrolment, by=agent, at=later) is True
    enrolment.refresh_from_db()
    assert (enrolment.state, enrolment.decided_by, enrolment.decided_at) == (
        EnrolmentState.ACCEPTED,
        agent,
        later,
    )


def test_an_agent_refuses_and_says_why(stranger, ask, agent, now):
    enrolment = ask(stranger)
    assert enrolling.refuse(enrolment, reason=" Effectif complet. ", by=agent, at=now) is True
    enrolment.refresh_from_db()
    assert (enrolment.state, enrolment.refusal_reason) == (EnrolmentState.REFUSED, "Effectif complet.")


@pytest.mark.parametrize("nothing", ["", " \n"])
def test_a_refusal_without_reason_is_not_one(stranger, ask, agent, now, nothing):
    enrolment = ask(stranger)
    with pytest.raises(EnrolmentRefused, match="motif"):
        enrolling.refuse(enrolment, reason=nothing, by=agent, at=now)
    enrolment.refresh_from_db()
    assert enrolment.state == EnrolmentState.REQUESTED


def test_the_first_answer_stands(stranger, ask, agent, regie, now):
    enrolment = ask(stranger)
    enrolling.accept(enrolment, by=agent, at=now)
    assert enrolling.refuse(enrolment, reason="Trop tard.", by=regie, at=now) is False
    enrolment.refresh_from_db()
    assert (enrolment.state, enrolment.decided_by) == (EnrolmentState.ACCEPTED, agent)


def test_every_state_is_kept_in_the_history(stranger, ask, agent, now):
    enrolment = ask(stranger)
    enrolling.accept(enrolment, by=agent, at=now)
    assert list(enrolment.history.order_by("history_id").values_list("state", flat=True)) == [
        "requested",
        "accepted",
    ]


@pytest.mark.parametrize("answer", ["requested", "accepted", "refused"])
def test_the_family_is_told(
    stranger, ask, agent, now, answer, mailoutbox, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        enrolment = ask(stranger)
    if answer != "requested":
        mailoutbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            if answer == "accepted":
                enrolling.accept(enrolment, by=agent, at=now)
            else:
                enrolling.refuse(enrolment, reason="Complet.", by=agent, at=now)
    (letter,) = mailoutbox
    assert letter.to == ["morel@example.org"]
    subjects = {
        "requested": "Demande d'inscription reçue",
        "accepted": "Inscription acceptée",
        "refused": "Inscription refusée",
    }
    assert letter.subject == f"{subjects[answer]} : Zoé, Restauration scolaire"


def test_the_second_parent_is_told_too(
    stranger, ask, agent, now, mailoutbox, django_capture_on_commit_callbacks
):
    GuardianFactory(household=stranger.household, user=UserFactory(username="conjoint"))
    with django_capture_on_commit_callbacks(execute=True):
        ask(stranger)
    assert sorted(letter.to[0] for letter in mailoutbox) == ["conjoint@example.org", "morel@example.org"]


# School ---------------------------------------------------------------------------------------------------


def test_a_child_attends_one_class_a_year(books, school, year, school_class):
    other = SchoolClassFactory(school=school, school_year=year, name="CE2")
    enrolling.attend(books.child, other)
    assert Schooling.objects.get(child=books.child).school_class == other
