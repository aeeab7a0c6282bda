"""Oversights: counted, told, decided about by somebody, and what that stops."""

from datetime import date
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from families.custody.own import OwnHousehold
from portal.reservations.acts import booking, conditions, oversights, reservation_drafts
from portal.reservations.acts.conditions import Wish
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.oversights import OversightRefused, Wanted
from portal.reservations.acts.refusals import BookingRefused, Choice
from portal.reservations.day_rules.oversights import Kind, Stops
from portal.reservations.models import (
    AbsenceNotice,
    ActivityDeadline,
    Attendance,
    AttendanceState,
    Booking,
    OversightDecision,
    OversightRule,
)
from portal.reservations.states import BookingState, Override
from portal.reservations.towns import town_file
from tests.conftest import brother_of
from tests.factories import BookingFactory, paris
from tests.families.conftest import commit, letters

__all__ = ["commit", "letters"]

pytestmark = pytest.mark.django_db
AT = paris(2026, 11, 9, 10)
TODAY = date(2026, 11, 9)
MONDAY, TUESDAY, THURSDAY, FRIDAY = (date(2026, 11, day) for day in (2, 3, 5, 6))
NEXT, UNTIL = date(2026, 11, 16), date(2026, 12, 18)


@pytest.fixture
def counts(canteen):
    return OversightRule.objects.create(
        activity=canteen.activity, valid_from=date(2026, 9, 1), number=3, late=True
    )


@pytest.fixture
def forgets(canteen):
    """A child was there without a booking, or missed without a word, or was booked late."""

    def do(who, *, unreserved=(), missed=(), late=()):
        for day in unreserved:
            Attendance.objects.create(
                household=who.household,
                child=who.child,
                formula=canteen.formula,
                establishment=canteen.restaurant,
                day=day,
                entered_at=AT,
            )
        for day in missed:
            Attendance.objects.create(
                booking=BookingFactory(enrolment=who.enrolment, day=day),
                household=who.household,
                child=who.child,
                formula=canteen.formula,
                establishment=canteen.restaurant,
                day=day,
                state=AttendanceState.ABSENT,
                entered_at=AT,
            )
        for day in late:
            BookingFactory(enrolment=who.enrolment, day=day, late=True)

    return do


@pytest.fixture
def forgot(books, counts, forgets):
    """Three oversights, on three days."""
    forgets(books, unreserved=[MONDAY], missed=[TUESDAY], late=[THURSDAY])
    return books


def wanted(canteen, stops=Stops.DAYS, **said):
    more = {"until": UNTIL, "sentence": "Parlons-en.", "reason": "Trois appels."} | said
    return Wanted(canteen.activity, stops, **more)


@pytest.fixture
def decided(forgot, canteen, agent):
    return oversights.decide(forgot.household, forgot.child, wanted(canteen), by=agent, at=AT)


def found(who, canteen):
    one = oversights.of_child(who.household, who.child, canteen.activity, TODAY)
    return one.days if one else {}


def reserve(who, canteen, *days, at=AT, by=None, overrides=None):
    draft = reservation_drafts.choose(
        who.enrolment,
        canteen.restaurant,
        canteen.period,
        book={Choice(canteen.formula.pk, day) for day in days},
        by=by or who.user,
        at=at,
        at_desk=by is not None,
    )
    said = {"overrides": overrides} if overrides else {}
    return booking.submit(draft, by=by or who.user, at=at, tell=False, **said)


def test_each_kind_counts_on_its_day(forgot, canteen):
    assert found(forgot, canteen) == {
        MONDAY: [Kind.UNRESERVED],
        TUESDAY: [Kind.MISSED],
        THURSDAY: [Kind.LATE],
    }


def test_who_gave_a_reason_or_said_so_forgot_nothing(books, counts, forgets, canteen):
    forgets(books, missed=[MONDAY, TUESDAY, THURSDAY])
    Attendance.objects.filter(day=MONDAY).update(reason="illness")
    Attendance.objects.filter(day=TUESDAY).update(certificate_at=AT)
    AbsenceNotice.objects.create(
        household=books.household, child=books.child, day=THURSDAY, announced_by=books.user, announced_at=AT
    )
    assert found(books, canteen) == {}


def test_what_was_entered_by_mistake_or_cancelled_since_does_not_count(books, counts, forgets, canteen):
    forgets(books, unreserved=[MONDAY], late=[THURSDAY])
    Attendance.objects.update(state=AttendanceState.MISTAKEN)
    Booking.objects.update(state=BookingState.CANCELLED)
    assert found(books, canteen) == {}


def test_days_before_the_rule_and_kinds_it_does_not_name_do_not_count(forgot, counts, canteen):
    counts.valid_from, counts.late = TUESDAY, False
    counts.save()
    assert list(found(forgot, canteen)) == [TUESDAY]


def test_a_brother_has_his_own(forgot, canteen):
    brother = brother_of(forgot, "Hugo")
    assert oversights.of_child(forgot.household, brother.child, canteen.activity, TODAY) is None


def test_nothing_stops_by_itself(forgot, canteen):
    assert reserve(forgot, canteen, NEXT).lines.get().outcome == "accepted"


def test_a_decision_stops_new_days_until_its_date(decided, forgot, canteen):
    with pytest.raises(BookingRefused, match="Décision de la mairie du lundi 9 novembre 2026"):
        reserve(forgot, canteen, NEXT)
    assert Booking.objects.get(day=THURSDAY).state == BookingState.ACCEPTED
    later = paris(2026, 12, 19, 10)
    assert not oversights.standing([forgot.household.pk], later.date())


def test_a_decision_about_late_days_stops_no_other(forgot, canteen, agent):
    ActivityDeadline.objects.filter(action="book").update(late=ActivityDeadline.Late.ACCEPT)
    oversights.decide(forgot.household, forgot.child, wanted(canteen, Stops.LATE), by=agent, at=AT)
    assert reserve(forgot, canteen, NEXT).lines.get().outcome == "accepted"
    line = reserve(forgot, canteen, date(2026, 11, 10)).lines.get()
    assert line.outcome == "refused" and "pas de jour hors délai pour Lina" in line.reason


def test_a_brother_books_as_before(decided, forgot, canteen):
    brother = brother_of(forgot, "Hugo", requested_by=forgot.user)
    wish = Wish.of(brother, [NEXT])
    assert conditions.unmet([wish], AT) == [[]]


def test_the_town_hall_passes_over_it_with_its_right_and_a_reason(decided, forgot, canteen, chief):
    over = Overrides({Override.OVERSIGHTS: "Rendez-vous médical."})
    assert reserve(forgot, canteen, NEXT, by=chief, overrides=over).lines.get().outcome == "accepted"


def test_the_family_is_written_to_and_again_when_it_is_lifted(forgot, canteen, agent, letters, commit):
    with commit():
        made = oversights.decide(forgot.household, forgot.child, wanted(canteen), by=agent, at=AT)
    assert (
        "Parlons-en." in letters[0].body and "lundi 2 novembre : présent sans réservation" in letters[0].body
    )
    with commit():
        oversights.take_back(made, reason="C'est réglé.", by=agent, at=AT)
    assert "a levé sa décision" in letters[1].body
    assert reserve(forgot, canteen, NEXT).lines.get().outcome == "accepted"


def test_two_oversights_are_not_enough(books, counts, forgets, canteen, agent):
    forgets(books, unreserved=[MONDAY], missed=[TUESDAY])
    with pytest.raises(OversightRefused, match="à partir de 3 oublis : 2 oublis"):
        oversights.decide(books.household, books.child, wanted(canteen), by=agent, at=AT)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"sentence": " "}, "phrase"),
        ({"reason": ""}, "motif"),
        ({"until": date(2026, 11, 8)}, "passée"),
        ({"until": date(2028, 1, 1)}, "un an au plus"),
    ],
)
def test_a_decision_has_its_words_and_an_end(forgot, canteen, agent, said, why):
    with pytest.raises(OversightRefused, match=why):
        oversights.decide(forgot.household, forgot.child, wanted(canteen, **said), by=agent, at=AT)


def test_one_decision_at_a_time(decided, forgot, canteen, agent):
    with pytest.raises(OversightRefused, match="déjà en cours"):
        oversights.decide(forgot.household, forgot.child, wanted(canteen), by=agent, at=AT)


def test_nobody_decides_about_the_own_household(forgot, canteen):
    forgot.user.is_staff = True
    forgot.user.save()
    with pytest.raises(OwnHousehold):
        oversights.decide(forgot.household, forgot.child, wanted(canteen), by=forgot.user, at=AT)


def test_it_is_lifted_once_and_for_a_reason(decided, agent):
    with pytest.raises(OversightRefused, match="pourquoi"):
        oversights.take_back(decided, reason="", by=agent, at=AT)
    oversights.take_back(decided, reason="Réglé.", by=agent, at=AT)
    with pytest.raises(OversightRefused, match="déjà finie"):
        oversights.take_back(decided, reason="Encore.", by=agent, at=AT)


# What families read -------------------------------------------------------------------------------------


def test_the_family_is_warned_at_home_and_before_it_books(books, counts, forgets, books_client, canteen, now):
    forgets(books, unreserved=[MONDAY], missed=[TUESDAY])
    home = unescape(books_client.get("/").content.decode())
    assert "2 oublis cette année scolaire" in home and "à partir de 3" in home
    (unmet,) = conditions.unmet([Wish.of(books.enrolment, [NEXT])], AT)
    assert [one.stops for one in unmet] == [False]
    page = unescape(books_client.get(reverse("reservations:oversights")).content.decode())
    assert "Lundi 2 novembre" in page and "Présent sans réservation" in page


def test_the_family_reads_the_decision(decided, forgot, books_client, now):
    assert "pas de nouveau jour pour Lina" in unescape(books_client.get("/").content.decode())
    page = unescape(books_client.get(reverse("reservations:oversights")).content.decode())
    assert "Parlons-en." in page and "contester" in page


def test_others_read_nothing_of_it(decided, waits_client, now):
    page = waits_client.get(reverse("reservations:oversights")).content.decode()
    assert "Lina" not in page


def test_where_nothing_is_counted_there_is_no_page_and_no_query(books, books_client, canteen, now):
    assert books_client.get(reverse("reservations:oversights")).status_code == 404
    with CaptureQueriesContext(connection) as asked:
        assert oversights.of_home(books.household, TODAY) == []
        assert oversights.condition([Wish.of(books.enrolment, [NEXT])], AT) == [[]]
    assert len(asked) == 0


@pytest.mark.parametrize("many", [1, 6])
def test_many_children_are_counted_in_as_many_queries(books, counts, forgets, canteen, many):
    for number in range(many):
        who = brother_of(books, f"Enfant {number}")
        Attendance.objects.create(
            household=books.household,
            child=who.child,
            formula=canteen.formula,
            establishment=canteen.restaurant,
            day=MONDAY,
            entered_at=AT,
        )
    oversights.rules_on(TODAY)
    with CaptureQueriesContext(connection) as asked:
        assert len(oversights.of_home(books.household, TODAY)) == many
    assert len(asked) == 2


# At the desk, and in the town's file ----------------------------------------------------------------------


def test_an_agent_finds_decides_and_lifts(forgot, canteen, agent_client, now):
    find = reverse("admin:reservations_oversightdecision_find")
    address = reverse(
        "admin:reservations_oversightdecision_decide",
        args=[forgot.household.pk, forgot.child.pk, canteen.activity.pk],
    )
    assert address in agent_client.get(find).content.decode()
    assert "présent sans réservation" in unescape(agent_client.get(address).content.decode())
    said = {"stops": "late", "until": "18/12/2026", "sentence": "Parlons-en.", "reason": "Trois appels."}
    wrong = unescape(agent_client.post(address, said | {"until": "01/11/2026"}).content.decode())
    assert "Trois appels." in wrong and not OversightDecision.objects.exists()
    assert agent_client.post(address, said).status_code == 302
    made = OversightDecision.objects.get()
    assert (made.count, made.stops, made.until) == (3, "late", UNTIL)
    lift = reverse("admin:reservations_oversightdecision_take_back", args=[made.pk])
    assert (
        lift
        in agent_client.get(
            reverse("admin:reservations_oversightdecision_change", args=[made.pk])
        ).content.decode()
    )
    agent_client.post(lift, {"reason": "Réglé."})
    made.refresh_from_db()
    assert made.end_reason == "Réglé."


def test_who_has_not_the_right_decides_nothing(forgot, canteen, regie_client, now):
    assert regie_client.get(reverse("admin:reservations_oversightdecision_find")).status_code == 403


def test_the_towns_file_says_it(canteen, now):
    said = "{du: 2026-09-01, nombre: 4, comptés_par: mois, hors_délai: oui, absent_sans_prévenir: non}"
    code = "- code: restauration-scolaire\n"
    town_file.load(town_file.export().replace(code, f"{code}    oublis: [{said}]\n"))
    rule = OversightRule.objects.get()
    assert (rule.number, rule.per, rule.unreserved, rule.missed, rule.late) == (4, "month", True, False, True)
    assert "comptés_par: mois" in town_file.export()
