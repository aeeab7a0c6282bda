"""A child leaves a household: what becomes of its days and enrolments, and who is told."""

from datetime import date, timedelta

import pytest
from django.urls import reverse

from families.custody import ending
from families.custody.ending import Ending, EndingRefused, Future
from families.models import AlreadyAnswered, Custody, User
from portal.nightly import do_all
from portal.reservations.acts import moving
from portal.reservations.models import Activity, Attendance, Booking, Enrolment, LeftDay, Reservation, Slot
from portal.reservations.states import BookingState, EnrolmentState, Outcome, ReservationState
from tests.conftest import FRIDAY, NOW, THURSDAY, Family, family
from tests.factories import BookingFactory
from tests.families.conftest import text_of
from tests.portal.reservations.audit import audit, give_up, outcomes, reserve

TODAY = NOW.date()
A_DAY = timedelta(days=1)


def custody_of(who: Family) -> Custody:
    return Custody.objects.get(child=who.child, household=who.household)


def live(who: Family) -> list[tuple[date, str]]:
    found = Booking.objects.live().filter(household=who.household, child=who.child).order_by("day")
    return list(found.values_list("day", "state"))


def end(who: Family, future: Future, agent: User, **given) -> Custody:
    wanted = Ending(given.pop("until", TODAY), future, given.pop("taker", None), "Jugement")
    return ending.end(custody_of(who), wanted, by=agent, at=NOW)


def test_what_is_to_come_is_counted(father: Family, reserved):
    assert ending.counts(custody_of(father), TODAY + A_DAY) == ["2 jours à venir", "1 inscription"]
    assert ending.counts(custody_of(father), FRIDAY) == ["1 jour à venir", "1 inscription"]


def test_cancelling_ends_days_enrolments_and_rights(father: Family, books: Family, canteen, reserved, agent):
    end(father, Future.CANCEL, agent)
    assert live(father) == []
    father.enrolment.refresh_from_db()
    assert father.enrolment.state == EnrolmentState.ENDED
    assert canteen.slot(THURSDAY).taken == 0
    assert father.client().get(reverse("families:child", args=[father.child.pk])).status_code == 404
    books.enrolment.refresh_from_db()
    assert books.enrolment.is_accepted
    audit()


def test_handing_over_moves_days_and_enrolments_to_the_other_home(
    father: Family, books: Family, canteen, reserved, agent
):
    end(father, Future.HAND_OVER, agent, taker=books.household)
    assert live(father) == []
    assert live(books) == [(THURSDAY, BookingState.ACCEPTED), (FRIDAY, BookingState.ACCEPTED)]
    assert [canteen.slot(day).taken for day in (THURSDAY, FRIDAY)] == [1, 1]
    taken_over = Reservation.objects.get(household=books.household)
    assert (taken_over.state, taken_over.enrolment) == (ReservationState.ACCEPTED, books.enrolment)
    assert taken_over.submitted_at == reserved.submitted_at
    assert outcomes(reserved) == [Outcome.CANCELLED, Outcome.CANCELLED]
    audit()
    page = books.client().get(reverse("reservations:detail", args=[taken_over.pk]))
    assert page.status_code == 200


def test_days_handed_over_go_where_the_other_home_sends_the_child(
    father: Family, books: Family, canteen, mill, reserved, agent
):
    """On Friday at the Grange, which is full that day: it is listed for the town hall."""
    Enrolment.objects.filter(pk=books.enrolment.pk).update(moves_to=mill.restaurant, moves_on=FRIDAY)
    Slot.objects.filter(pk=mill.slot(FRIDAY).pk).update(capacity=0)
    end(father, Future.HAND_OVER, agent, taker=books.household)
    assert live(books) == [(THURSDAY, BookingState.ACCEPTED)]
    (left,) = LeftDay.objects.to_decide(TODAY)
    assert (left.booking.day, left.place, left.why) == (FRIDAY, mill.restaurant, "complet")
    assert left.move.household == books.household
    Slot.objects.update(capacity=None)
    moving.place_days(left.move, wait=False, by=agent, at=NOW)
    assert live(books) == [(THURSDAY, BookingState.ACCEPTED), (FRIDAY, BookingState.ACCEPTED)]
    assert [canteen.slot(FRIDAY).taken, mill.slot(FRIDAY).taken] == [0, 1]
    audit()


def test_days_after_the_end_in_the_other_home_are_cancelled(father: Family, books: Family, reserved, agent):
    Enrolment.objects.filter(pk=books.enrolment.pk).update(ends_on=THURSDAY)
    end(father, Future.HAND_OVER, agent, taker=books.household)
    assert live(books) == [(THURSDAY, BookingState.ACCEPTED)] and live(father) == []
    audit()


def test_a_home_without_an_enrolment_takes_the_childs_over(father: Family, books: Family, reserved, agent):
    Enrolment.objects.filter(pk=books.enrolment.pk).update(state=EnrolmentState.ENDED)
    end(father, Future.HAND_OVER, agent, taker=books.household)
    taken = Enrolment.objects.accepted().get(household=books.household)
    assert (taken.child, taken.activity, taken.requested_by) == (
        father.child,
        father.enrolment.activity,
        agent,
    )
    assert len(live(books)) == 2
    audit()


def test_an_enrolment_that_waits_is_accepted_where_the_other_home_was(
    father: Family, books: Family, reserved, agent
):
    Enrolment.objects.filter(pk=books.enrolment.pk).update(state=EnrolmentState.REQUESTED)
    end(father, Future.HAND_OVER, agent, taker=books.household)
    books.enrolment.refresh_from_db()
    assert books.enrolment.is_accepted


def test_waiting_lists_and_answers_to_come_keep_their_rank(
    father: Family, books: Family, waits: Family, canteen, agent, now, asks
):
    Slot.objects.filter(day=THURSDAY).update(capacity=1)
    reserve(waits, canteen, THURSDAY, at=now)
    reserve(father, canteen, THURSDAY, at=now, wait=True)
    asked = asks(father, FRIDAY)
    before = Booking.objects.get(state=BookingState.WAITLISTED)
    end(father, Future.HAND_OVER, agent, taker=books.household)
    after = Booking.objects.get(state=BookingState.WAITLISTED)
    assert (after.household, after.waiting_since) == (books.household, before.waiting_since)
    wanted = Booking.objects.get(state=BookingState.REQUESTED)
    assert wanted.household == books.household
    assert wanted.reservation is not None and wanted.reservation.submitted_at == asked.submitted_at
    assert outcomes(wanted.reservation) == [Outcome.REQUESTED]
    audit()


def test_a_day_that_he_asked_to_cancel_is_the_other_homes_to_keep(
    father: Family, books: Family, canteen, reserved, agent, now
):
    canteen.activity.cancel_processing = Activity.Processing.ON_REQUEST
    canteen.activity.save()
    give_up(father, canteen, THURSDAY, at=now)
    end(father, Future.HAND_OVER, agent, taker=books.household)
    assert live(books) == [(THURSDAY, BookingState.ACCEPTED), (FRIDAY, BookingState.ACCEPTED)]
    audit()


def test_the_day_that_runs_and_what_was_entered_stay(father: Family, canteen, agent):
    BookingFactory(enrolment=father.enrolment, day=TODAY)
    entered = BookingFactory(enrolment=father.enrolment, day=THURSDAY)
    Attendance.objects.create(
        booking=entered,
        household=father.household,
        child=father.child,
        formula=entered.formula,
        establishment=entered.establishment,
        day=THURSDAY,
        entered_at=NOW,
    )
    end(father, Future.CANCEL, agent)
    assert [day for day, _ in live(father)] == [TODAY, THURSDAY]


def test_kept_until_a_day_he_keeps_rights_and_days_until_then(father: Family, reserved, agent):
    end(father, Future.KEEP, agent, until=FRIDAY)
    assert live(father) == [(THURSDAY, BookingState.ACCEPTED)]
    father.enrolment.refresh_from_db()
    assert father.enrolment.is_accepted
    assert father.client().get(reverse("families:child", args=[father.child.pk])).status_code == 200


def test_the_night_after_ends_the_enrolments(father: Family, books: Family, reserved, agent):
    end(father, Future.KEEP, agent, until=FRIDAY)
    for night, state in ((NOW, EnrolmentState.ACCEPTED), (NOW.replace(day=28), EnrolmentState.ENDED)):
        assert not [done for done in do_all(at=night) if done.failed]
        father.enrolment.refresh_from_db()
        assert father.enrolment.state == state
    books.enrolment.refresh_from_db()
    assert books.enrolment.is_accepted


def test_both_households_are_told_and_neither_reads_of_the_other(
    father: Family, books: Family, reserved, agent, commit, letters
):
    with commit():
        end(father, Future.HAND_OVER, agent, taker=books.household)
    told = {letter.to[0]: f"{letter.subject} {letter.body}" for letter in letters}
    assert set(told) == {"leroy@example.org", "roux@example.org"}
    assert "confiés à son autre foyer" in told["leroy@example.org"]
    assert "vous sont confiés" in told["roux@example.org"]
    for words in ("Roux", books.household.number, "Jugement"):
        assert words not in told["leroy@example.org"]
    for words in ("Leroy", father.household.number, "Jugement"):
        assert words not in told["roux@example.org"]


def test_the_end_is_kept_with_who_and_why(father: Family, books: Family, agent):
    custody = end(father, Future.CANCEL, agent)
    last = custody.history.first()
    assert (last.until, last.history_user, last.history_change_reason) == (TODAY, agent, "Jugement")


def test_it_ends_once(father: Family, books: Family, agent):
    end(father, Future.CANCEL, agent)
    with pytest.raises(AlreadyAnswered):
        end(father, Future.CANCEL, agent)


@pytest.mark.parametrize(
    ("future", "until"), [(Future.KEEP, TODAY), (Future.CANCEL, FRIDAY), (Future.HAND_OVER, TODAY)]
)
def test_what_makes_no_sense_is_refused(father: Family, agent, future: Future, until: date):
    with pytest.raises(EndingRefused):
        end(father, future, agent, until=until)
    assert custody_of(father).until is None


def test_days_go_to_a_home_of_the_child_only(father: Family, stranger: Family, agent):
    with pytest.raises(EndingRefused, match="cet autre foyer"):
        end(father, Future.HAND_OVER, agent, taker=stranger.household)
    assert custody_of(father).until is None


# The desk -----------------------------------------------------------------------------------------------


def page_of(who: Family) -> str:
    return reverse("admin:families_custody_end", args=[custody_of(who).pk])


def test_the_desk_reads_what_is_to_come_chooses_and_says_why(
    agent_client, father: Family, books: Family, reserved
):
    shown = text_of(agent_client.get(page_of(father)))
    assert "2 jours à venir et 1 inscription" in shown
    assert f"Confier au foyer n° {books.household.number} (Camille Roux)" in shown
    nothing = text_of(agent_client.post(page_of(father), {}))
    assert "Ce champ est obligatoire" in nothing
    kept = agent_client.post(page_of(father), {"future": "garder", "note": "Jugement"})
    assert "Indiquez le dernier jour dans ce foyer." in text_of(kept)
    done = agent_client.post(
        page_of(father), {"future": f"confier:{books.household.pk}", "note": "Jugement"}, follow=True
    )
    assert "la garde est terminée, les deux foyers sont prévenus" in text_of(done)
    assert len(live(books)) == 2
    again = agent_client.get(page_of(father), follow=True)
    assert "ne vit déjà plus dans ce foyer" in text_of(again)


def test_the_last_day_typed_is_still_his(agent_client, father: Family, books: Family, reserved):
    said = {"future": "garder", "until": THURSDAY.isoformat(), "note": "Déménagement"}
    agent_client.post(page_of(father), said)
    assert custody_of(father).until == FRIDAY
    assert [day for day, _ in live(father)] == [THURSDAY]


def test_the_pages_of_child_and_household_lead_to_it_and_delete_nothing(
    agent_client, father: Family, books: Family
):
    for where in (
        f"/mairie/families/child/{father.child.pk}/change/",
        f"/mairie/families/household/{father.household.pk}/change/?modifier=enfants",
        f"/mairie/families/custody/{custody_of(father).pk}/change/",
    ):
        page = agent_client.get(where).text
        assert page_of(father) in page
        assert "custodies-0-DELETE" not in page


def test_a_forged_deletion_in_the_page_of_a_child_deletes_nothing(chief_client, father: Family):
    where = f"/mairie/families/child/{father.child.pk}/change/"
    fields = {"first_name": "Lina", "last_name": "Roux", "birth_date": "2018-05-14"}
    for prefix in ("authorised_people", "health", "schoolings"):
        fields |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    custodies = list(Custody.objects.filter(child=father.child).order_by("pk"))
    fields |= {"custodies-TOTAL_FORMS": "2", "custodies-INITIAL_FORMS": "2"}
    for number, custody in enumerate(custodies):
        fields |= {
            f"custodies-{number}-id": str(custody.pk),
            f"custodies-{number}-child": str(father.child.pk),
            f"custodies-{number}-DELETE": "on",
        }
    answer = chief_client.post(where, fields)
    assert answer.status_code in (302, 200)
    assert list(Custody.objects.filter(child=father.child).order_by("pk")) == custodies


def test_who_may_only_look_ends_nothing(regie_client, father: Family, books: Family):
    assert regie_client.get(page_of(father)).status_code == 403
    assert custody_of(father).until is None


def test_a_family_of_one_home_hands_nothing_over(agent_client, now, town):
    alone = family("seul", "Seul", "Ana")
    shown = text_of(agent_client.get(page_of(alone)))
    assert "rien de réservé, aucune inscription" in shown and "Confier au" not in shown
