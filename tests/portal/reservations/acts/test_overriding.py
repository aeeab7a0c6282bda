"""What the town hall passes over for a family: each with its reason and its right, and counted as such."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Permission

from billing.payments import closing
from families.custody.own import OwnHousehold
from families.models import Guardian
from portal.reservations.acts import booking, opening, reservation_drafts
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import BookingRefused, PlacesLost
from portal.reservations.models import Booking, BookingEvent, Reservation, Slot
from portal.reservations.states import Override
from tests.conftest import other_home_of
from tests.portal.reservations.audit import THURSDAY, audit, choices, give_up, outcomes, reserve, states

TUESDAY = date(2026, 11, 10)  # tomorrow: too late since Sunday
LAST_THURSDAY = date(2026, 11, 5)
HOSPITAL = "La mère est hospitalisée."
DEADLINE, CAPACITY = Override.DEADLINE, Override.CAPACITY


@pytest.fixture
def act(agent, books, canteen, now):
    """The agent ticks days for a family in the town hall's own draft, and records them."""

    def record(*days, who=books, by=agent, tell=True, cancel=False, **overrides):
        ticks = {"book": [], "cancel" if cancel else "book": choices(canteen, days)}
        draft = reservation_drafts.choose(
            who.enrolment, canteen.restaurant, canteen.period, **ticks, by=by, at=now, at_desk=True
        )
        late = overrides.pop("late", False)
        reasons = {Override(name): reason for name, reason in overrides.items()}
        return booking.submit(draft, by=by, at=now, overrides=Overrides(reasons, late=late), tell=tell)

    return record


def slot(day: date) -> tuple[int, int | None, int]:
    found = Slot.objects.get(day=day)
    return found.taken, found.capacity, found.forced


def test_a_late_day_is_booked_with_a_reason_that_the_family_reads(act, books):
    made = act(TUESDAY, deadline=HOSPITAL)
    assert (outcomes(made), made.desk_reason) == (["accepted"], "Délai : La mère est hospitalisée.")
    found = Booking.objects.get()
    assert (found.state, found.late) == ("accepted", False), "as on time, unless the agent says late"
    assert BookingEvent.objects.get().reason == made.lines.get().reason == made.desk_reason
    audit()


def test_the_agent_says_whether_being_late_costs(act):
    act(TUESDAY, deadline=HOSPITAL, late=True)
    assert Booking.objects.get().late


def test_a_late_day_stays_closed_without_it(act, books):
    assert outcomes(act(TUESDAY)) == ["refused"]
    assert states(books, TUESDAY) == [None]


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_override_without_a_reason_is_refused(act, reason):
    with pytest.raises(BookingRefused, match="Indiquez pourquoi"):
        act(TUESDAY, deadline=reason)


def test_an_override_without_its_right_is_refused(act, agent):
    (role,) = agent.groups.all()
    role.permissions.remove(Permission.objects.get(codename="override_capacity_booking"))
    agent = type(agent).objects.get(pk=agent.pk)
    with pytest.raises(BookingRefused, match="Vous n'avez pas le droit"):
        act(THURSDAY, capacity="Fratrie.", by=agent)
    assert outcomes(act(TUESDAY, deadline=HOSPITAL, by=agent)) == ["accepted"], "one by one"


def test_a_family_passes_over_nothing(books, canteen, agent, now):
    draft = reservation_drafts.choose(
        books.enrolment,
        canteen.restaurant,
        canteen.period,
        book=choices(canteen, [TUESDAY]),
        by=books.user,
        at=now,
    )
    for by in (books.user, agent):
        with pytest.raises(BookingRefused, match="Seule la mairie"):
            booking.submit(draft, by=by, at=now, overrides=Overrides({DEADLINE: HOSPITAL}))


def test_a_family_does_not_record_what_the_town_hall_began(books, canteen, now):
    draft = reservation_drafts.choose(
        books.enrolment,
        canteen.restaurant,
        canteen.period,
        book=choices(canteen, [THURSDAY]),
        by=books.user,
        at=now,
        at_desk=True,
    )
    assert not Reservation.objects.visible_to(books.user).exists()
    with pytest.raises(BookingRefused):
        booking.submit(draft, by=books.user, at=now)


def test_nobody_passes_over_anything_for_the_own_household(act, agent, books):
    Guardian.objects.create(household=books.household, user=agent, first_name="Anne", last_name="Agent")
    with pytest.raises(OwnHousehold):
        act(TUESDAY, deadline=HOSPITAL)


def test_a_place_beyond_the_capacity_is_counted_as_such(act, books, waits, another, canteen, shut, now):
    shut(THURSDAY, 1)
    reserve(waits, canteen, THURSDAY, at=now)
    with pytest.raises(PlacesLost):
        act(THURSDAY)
    assert outcomes(act(THURSDAY, capacity="Fratrie.")) == ["accepted"]
    assert slot(THURSDAY) == (2, 1, 1)
    audit()
    third = another("Zoé")
    with pytest.raises(PlacesLost):
        reserve(third, canteen, THURSDAY, at=now)
    # One of the others leaves: the place beyond stays one, and nobody gets the one that was left.
    give_up(waits, canteen, THURSDAY, at=now)
    assert slot(THURSDAY) == (1, 1, 1)
    audit()
    with pytest.raises(PlacesLost):
        reserve(third, canteen, THURSDAY, at=now)
    booking.cancel(Booking.objects.filter(child=books.child), by=books.user, at=now)
    assert slot(THURSDAY) == (0, 1, 0)
    audit()
    assert outcomes(reserve(third, canteen, THURSDAY, at=now)) == ["accepted"]


def test_capacity_may_shrink_to_what_is_taken_within_it(act, waits, canteen, shut, now):
    shut(THURSDAY, 1)
    reserve(waits, canteen, THURSDAY, at=now)
    act(THURSDAY, capacity="Fratrie.")
    opening.resize(Slot.objects.filter(day=THURSDAY), 1, at=now)
    with pytest.raises(opening.TooManyTaken):
        opening.resize(Slot.objects.filter(day=THURSDAY), 0, at=now)


def test_a_day_gone_by_is_booked_and_cancelled_until_its_accounts_are_closed(act, books, canteen, now, chief):
    assert outcomes(act(LAST_THURSDAY, deadline=HOSPITAL)) == ["accepted"]
    assert not Booking.objects.get().late
    assert outcomes(act(LAST_THURSDAY, cancel=True, deadline="Enfant absent.")) == ["accepted"]
    closing.close(date(2026, 11, 6), by=chief, at=now)
    refused = act(LAST_THURSDAY, deadline=HOSPITAL)
    assert outcomes(refused) == ["refused"]
    assert "Les comptes sont clos jusqu'au vendredi 6 novembre 2026" in refused.lines.get().reason


def test_the_desk_cancels_a_day_gone_by_only_with_its_right_and_never_in_closed_accounts(
    act, books, agent, canteen, now, chief
):
    act(LAST_THURSDAY, deadline=HOSPITAL)
    act(THURSDAY)
    (role,) = agent.groups.all()
    right = Permission.objects.get(codename="override_deadline_booking")
    role.permissions.remove(right)
    without = type(agent).objects.get(pk=agent.pk)
    with pytest.raises(BookingRefused, match="Jeudi 5 novembre : vous n'avez pas le droit de passer outre"):
        booking.cancel(Booking.objects.all(), by=without, at=now)
    assert states(books, LAST_THURSDAY, THURSDAY) == ["accepted", "accepted"], "all of them or none"
    role.permissions.add(right)
    closing.close(date(2026, 11, 6), by=chief, at=now)
    with pytest.raises(BookingRefused, match="les comptes sont clos jusqu'au vendredi 6 novembre 2026"):
        booking.cancel(Booking.objects.all(), by=agent, at=now)
    assert booking.cancel(Booking.objects.filter(day=THURSDAY), by=without, at=now) == 1
    audit()


def test_age_is_passed_over_for_single_days(act, books, canteen):
    type(canteen.activity).objects.filter(pk=canteen.activity.pk).update(min_age=12)
    assert outcomes(act(THURSDAY)) == ["refused"]
    assert outcomes(act(THURSDAY, limits="Dérogation du maire.")) == ["accepted"]


def test_a_missing_health_file_is_passed_over(act, canteen):
    type(canteen.activity).objects.update(health_file_required=True)
    with pytest.raises(BookingRefused, match="fiche sanitaire"):
        act(THURSDAY)
    made = act(THURSDAY, papers="Elle arrive demain.")
    assert made.desk_reason == "Papiers : Elle arrive demain."


def test_what_a_family_would_ask_for_is_answered_at_once(act, canteen):
    type(canteen.activity).objects.update(processing="on_request", cancel_processing="on_request")
    assert outcomes(act(THURSDAY)) == ["accepted"]
    assert outcomes(act(THURSDAY, cancel=True)) == ["accepted"]


# Given back ---------------------------------------------------------------------------------------------


def test_a_cancelled_day_stands_again(
    books, agent, canteen, now, mailoutbox, django_capture_on_commit_callbacks
):
    made = reserve(books, canteen, THURSDAY, at=now)
    give_up(books, canteen, THURSDAY, at=now)
    with django_capture_on_commit_callbacks(execute=True):
        found = booking.restore(Booking.objects.all(), reason="Annulé par erreur.", by=agent, at=now)
    assert (len(found.back), found.left, states(books, THURSDAY)) == (1, {}, ["accepted"])
    assert outcomes(made) == ["accepted"]
    assert BookingEvent.objects.last().reason == "Annulé par erreur."
    assert "Motif : Annulé par erreur." in mailoutbox[-1].body
    audit()


def test_a_refused_request_is_accepted_after_all(asks, books, agent, now):
    made = asks(books, THURSDAY)
    booking.refuse(made.lines.all(), reason="Non.", by=agent, at=now)
    booking.restore(Booking.objects.all(), reason="Une place, finalement.", by=agent, at=now)
    made.refresh_from_db()
    assert (outcomes(made), made.state) == (["accepted"], "accepted")
    assert states(books, THURSDAY) == ["accepted"]
    audit()


def test_what_is_given_back_beyond_the_capacity_is_passed_over(books, waits, agent, canteen, shut, now):
    shut(THURSDAY, 1)
    reserve(books, canteen, THURSDAY, at=now)
    give_up(books, canteen, THURSDAY, at=now)
    reserve(waits, canteen, THURSDAY, at=now)
    mine = Booking.objects.filter(child=books.child)
    assert list(booking.restore(mine, reason="Erreur.", by=agent, at=now).left.values()) == [
        booking.FULL_AGAIN
    ]
    booking.restore(mine, reason="Erreur.", by=agent, at=now, passing_over=[CAPACITY])
    assert slot(THURSDAY) == (2, 1, 1)
    assert BookingEvent.objects.last().reason == "Places : Erreur."
    audit()


def test_a_past_day_is_given_back_only_as_an_override(act, books, agent, canteen, now):
    act(LAST_THURSDAY, deadline=HOSPITAL)
    booking.cancel(Booking.objects.all(), by=agent, at=now)
    assert list(booking.restore(Booking.objects.all(), reason="Erreur.", by=agent, at=now).left.values()) == [
        booking.DAY_PAST
    ]
    booking.restore(Booking.objects.all(), reason="Erreur.", by=agent, at=now, passing_over=[DEADLINE])
    assert states(books, LAST_THURSDAY) == ["accepted"]


def test_what_no_longer_suits_the_child_is_given_back_only_as_an_override(books, agent, canteen, now):
    reserve(books, canteen, THURSDAY, at=now)
    give_up(books, canteen, THURSDAY, at=now)
    activities = type(canteen.activity).objects.filter(pk=canteen.activity.pk)
    activities.update(min_age=12)
    (left,) = booking.restore(Booking.objects.all(), reason="Erreur.", by=agent, at=now).left.values()
    assert "12 ans" in left
    activities.update(health_file_required=True)
    only = [Override.LIMITS]
    found = booking.restore(Booking.objects.all(), reason="Erreur.", by=agent, at=now, passing_over=only)
    assert "fiche sanitaire" in "".join(found.left.values())
    both = [*only, Override.PAPERS]
    booking.restore(Booking.objects.all(), reason="Dérogation.", by=agent, at=now, passing_over=both)
    assert states(books, THURSDAY) == ["accepted"]
    assert BookingEvent.objects.last().reason == "Âge ou classe, Papiers : Dérogation."
    audit()


def test_a_forced_place_goes_to_the_other_home_as_one(act, books, waits, agent, canteen, shut, now):
    shut(THURSDAY, 1)
    reserve(waits, canteen, THURSDAY, at=now)
    act(THURSDAY, capacity="Fratrie.")
    other = other_home_of(books)
    booking.hand_over(
        Booking.objects.filter(child=books.child),
        other.household,
        {books.enrolment.pk: other.enrolment},
        by=agent,
        at=now + timedelta(minutes=1),
    )
    assert slot(THURSDAY) == (2, 1, 1)
    audit()
