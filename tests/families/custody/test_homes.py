"""Rights come from custody today: an old enrolment, or days booked long ago, give none."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from billing.invoices.billable import Billable, Scope
from billing.models import BillingSettings
from families.custody import homes
from families.models import Child, Custody
from portal.reservations.acts import booking, emails, enrolling, reservation_drafts
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import AbsenceCertificate, Attendance, Booking, Reservation, Schooling
from portal.reservations.presence import attendance, certificates
from portal.reservations.states import Outcome
from tests.conftest import FRIDAY, NOW, THURSDAY, Family
from tests.factories import HealthFactory, InvoiceFactory, SchoolClassFactory
from tests.families.conftest import text_of
from tests.portal.reservations.audit import choices, draft, outcomes, reasons, reserve

TODAY = NOW.date()
TOMORROW = TODAY + timedelta(days=1)


def no_longer(custody: Custody) -> None:
    custody.until = TODAY
    custody.save()


def removed(custody: Custody) -> None:
    """As an earlier version did it."""
    custody.delete()


def not_yet(custody: Custody) -> None:
    custody.since = TOMORROW
    custody.save()


@pytest.fixture(params=[no_longer, removed, not_yet])
def gone(request, reserved, father: Family) -> Family:
    """The father, in whose home Lina does not live today."""
    request.param(Custody.objects.get(child=father.child, household=father.household))
    return father


def addresses(who: Family, canteen, reservation: Reservation, certificate: AbsenceCertificate) -> list[str]:
    """Every page on which a family sees, or acts for, that child."""
    child, enrolment = who.child.pk, who.enrolment.pk
    return [
        reverse("families:child", args=[child]),
        reverse("families:health", args=[child]),
        reverse("families:authorisations", args=[child]),
        reverse("families:add_person", args=[child]),
        reverse("catering:enrol", args=[child]),
        reverse("catering:enrolment", args=[enrolment]),
        reverse("catering:start", args=[enrolment]),
        reverse("catering:planning", args=[enrolment, canteen.restaurant.pk, canteen.period.pk]),
        reverse("leisure:enrol", args=[child]),
        reverse("reservations:detail", args=[reservation.pk]),
        reverse("reservations:validation", args=[reservation.pk]),
        reverse("absences:report", args=[child]),
        reverse("absences:withdraw", args=[certificate.pk]),
    ]


def test_a_father_without_custody_finds_nothing_of_the_child(gone: Family, books: Family, canteen, reserved):
    HealthFactory(child=gone.child, allergies="Arachide")
    certificate = AbsenceCertificate.objects.create(
        household=gone.household, child=gone.child, first_day=FRIDAY, last_day=FRIDAY, given_at=NOW
    )
    client = gone.client()
    found = {
        where: {client.get(where).status_code, client.post(where, {}).status_code}
        for where in addresses(gone, canteen, reserved, certificate)
    }
    assert {where: codes for where, codes in found.items() if not codes <= {404, 405}} == {}
    for where in ("/", "/foyer/", "/foyer/acces/", "/absences/", "/reservations/catering/toutes/"):
        assert "Lina" not in text_of(client.get(where)), where
    assert "Basile" in text_of(client.get("/"))
    assert books.client().get(reverse("families:child", args=[gone.child.pk])).status_code == 200


def test_he_books_no_day_for_the_child(gone: Family, canteen, now):
    with pytest.raises(BookingRefused, match="Lina ne vit plus dans votre foyer"):
        reserve(gone, canteen, date(2026, 12, 3), at=now)
    assert not Reservation.objects.drafts().exists()


def test_a_draft_of_before_is_not_recorded(father: Family, canteen, now, lives):
    ticked = draft(father, canteen, book=choices(canteen, [THURSDAY]), at=now)
    assert ticked is not None
    lives(father, until=TODAY)
    with pytest.raises(BookingRefused, match="Lina ne vit plus"):
        booking.submit(ticked, by=father.user, at=now)
    assert not Booking.objects.exists()


def test_he_cancels_no_day_of_the_child(gone: Family, canteen, now):
    with pytest.raises(BookingRefused):
        reservation_drafts.choose(
            gone.enrolment,
            canteen.restaurant,
            canteen.period,
            book=(),
            cancel=choices(canteen, [THURSDAY]),
            by=gone.user,
            at=now,
        )


def test_he_neither_enrols_nor_moves_the_child(gone: Family, canteen, year, school, now):
    SchoolClassFactory(school=school, school_year=year, name="CM2")
    kept = {"establishment": canteen.restaurant, "weekdays": 1, "starts_on": TODAY, "at": now}
    with pytest.raises(EnrolmentRefused, match="Lina ne vit plus"):
        enrolling.change(gone.enrolment, **kept)
    with pytest.raises(EnrolmentRefused, match="Lina ne vit plus"):
        enrolling.request(
            household=gone.household,
            child=gone.child,
            activity=canteen.activity,
            school_year=year,
            by=gone.user,
            **kept,
        )
    classes = Schooling.objects.filter(child=gone.child).values_list("school_class__name", flat=True)
    assert list(classes) == ["CE1"]


def test_he_sends_no_certificate(gone: Family, now):
    with pytest.raises(certificates.AbsenceRefused, match="Lina ne vit plus"):
        certificates.send(
            gone.household,
            gone.child,
            THURSDAY,
            THURSDAY,
            file=None,
            content_type="application/pdf",
            by=gone.user,
            at=now,
        )


def test_letters_about_the_child_go_to_the_homes_in_which_it_lives(
    gone: Family, books: Family, reserved, commit, letters
):
    with commit():
        emails.recorded([reserved.pk], {})
        emails.enrolment(gone.enrolment.pk)
        emails.cancelled(gone.household.pk, list(Booking.objects.values_list("pk", flat=True)), "Grève.")
    assert letters == []
    with commit():
        emails.enrolment(books.enrolment.pk)
    assert [letter.to for letter in letters] == [["roux@example.org"]]


def test_what_was_billed_to_him_stays_readable(gone: Family):
    invoice = InvoiceFactory(household=gone.household)
    client = gone.client()
    assert client.get(reverse("billing:invoice", args=[invoice.pk])).status_code == 200
    assert invoice.number in text_of(client.get("/"))


def test_brothers_and_sisters_of_a_planning_are_those_that_live_there(
    books: Family, father: Family, canteen, year, lives, now
):
    """« Et aussi pour… » offers another child of the home, by its own enrolment."""
    lives(father, until=TODAY)
    basile = Child.objects.get(first_name="Basile")
    own = enrolling.request(
        household=father.household,
        child=basile,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
        weekdays=0,
        starts_on=TODAY,
        by=father.user,
        at=now,
    )
    enrolling.accept(own, by=father.user, at=now)
    own.refresh_from_db()
    who = Family(father.household, father.guardian, father.user, basile, own)
    ticked = draft(who, canteen, book=choices(canteen, [THURSDAY]), at=now)
    assert ticked is not None
    page = text_of(father.client().get(reverse("reservations:validation", args=[ticked.pk])))
    assert "Basile" in page and "Lina" not in page


def test_until_the_day_agreed_everything_stays_and_the_days_after_are_refused(
    father: Family, canteen, now, lives
):
    lives(father, until=FRIDAY)
    recorded = reserve(father, canteen, THURSDAY, FRIDAY, at=now)
    assert outcomes(recorded) == [Outcome.ACCEPTED, Outcome.REFUSED]
    assert reasons(recorded)[1] == "Ce jour-là, l'enfant ne vivra plus dans votre foyer."


def test_the_months_bill_the_days_on_which_the_child_lived_there(father: Family, reserved, lives):
    billable = Billable(Scope(date(2026, 11, 1)), BillingSettings.current())
    assert [one.day for one in billable.unbilled_bookings().order_by("day")] == [THURSDAY, FRIDAY]
    lives(father, until=THURSDAY)
    assert [one.day for one in billable.unbilled_bookings()] == [THURSDAY]
    assert [one.day for one in billable.bookings_of_no_home()] == [FRIDAY]


def test_a_child_that_came_without_a_booking_is_found_in_its_homes_of_that_day(
    father: Family, books: Family, lives
):
    lives(father, until=TODAY)
    found = {one.household_id for one in attendance.homes_of("Lina", day=TODAY)}
    assert found == {books.household.pk}
    assert {one.household_id for one in attendance.homes_of("Lina")} == {
        books.household.pk,
        father.household.pk,
    }


def test_attendance_is_not_entered_for_a_home_that_the_child_left(father: Family, canteen, lives, agent, now):
    left = lives(father, until=TODAY)
    attendance.record(canteen.restaurant, canteen.formula, TODAY, {}, came=[left.pk], by=agent, at=now)
    assert not Attendance.objects.exists()


@pytest.mark.parametrize(
    ("since", "until", "here"),
    [
        (None, None, True),
        (TODAY, None, True),
        (TOMORROW, None, False),
        (None, TOMORROW, True),
        (None, TODAY, False),
        (TODAY, TODAY, False),
    ],
)
def test_a_custody_holds_from_its_first_day_until_the_day_it_ends(
    father: Family, lives, since, until, here: bool
):
    custody = lives(father, since=since, until=until)
    assert custody.holds_on(TODAY) is here
    assert Custody.objects.on(TODAY).filter(pk=custody.pk).exists() is here
    assert Child.objects.visible_to(father.user).filter(pk=father.child.pk).exists() is here
    assert (father.child in homes.children(father.household, TODAY)) is here


def test_a_custody_does_not_end_before_it_begins(father: Family, lives):
    with pytest.raises(IntegrityError, match="custody_ends_after_it_begins"), transaction.atomic():
        lives(father, since=TODAY, until=TODAY - timedelta(days=1))


def test_custody_keeps_its_history(father: Family, lives):
    custody = lives(father, until=TOMORROW)
    assert [row.until for row in custody.history.all()] == [TOMORROW, None]


def test_what_a_family_sees_costs_the_same_queries_with_ten_children(
    father: Family, django_assert_max_num_queries
):
    client = father.client()
    for number in range(10):
        child = Child.objects.create(first_name=f"Enfant {number}", last_name="Leroy", birth_date=TODAY)
        Custody.objects.create(child=child, household=father.household)
    client.get("/")
    with django_assert_max_num_queries(14):
        client.get("/")
