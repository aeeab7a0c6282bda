"""Reserving and cancelling at the centre: place, period, weeks, and whatever a browser may send."""

from datetime import date

import pytest
from django.urls import reverse

from families.models import ChildHealth
from portal.reservations.acts.opening import open_slots
from portal.reservations.models import Booking, Enrolment, Period, Reservation, ReservationLine, Slot
from portal.reservations.states import Action, BookingState, Outcome, ReservationState
from tests.factories import (
    CentreFactory,
    ClosureFactory,
    HealthFactory,
    PeriodFactory,
    SchoolClassFactory,
    SchoolFactory,
    SchoolHolidayFactory,
    SchoolingFactory,
    paris,
)
from tests.leisure.cast import MONDAY, MONDAY_AFTER, NEXT_WEDNESDAY, THURSDAY, TUESDAY, WEDNESDAY, fill, value
from tests.portal.reservations.audit import audit


def planning(enrolment: Enrolment, where, query: str = "") -> str:
    return reverse("leisure:planning", args=[enrolment.pk, where.centre.pk, where.period.pk]) + query


def lines(reservation: Reservation) -> list[tuple[str, date]]:
    return [(line.formula.name, line.day) for line in reservation.lines.select_related("formula")]


def draft() -> Reservation:
    return Reservation.objects.drafts().get()


def version() -> str:
    found = Reservation.objects.drafts().first()
    return found.touched_at.isoformat() if found else ""


def send(who, address, **data):
    return who.client().post(address, {"version": version(), **data}, follow=True).content.decode()


def record(who, reservation: Reservation) -> str:
    return (
        who.client()
        .post(reverse("reservations:recording", args=[reservation.pk]), follow=True)
        .content.decode()
    )


# Place and period -------------------------------------------------------------------------------------------


def begin(who, enrolment, **data):
    return who.client().post(reverse("leisure:start", args=[enrolment.pk]), data)


def test_place_and_period_lead_to_the_planning(plays, wednesdays, holidays, enrol):
    mine, theirs = enrol(plays, wednesdays), enrol(plays, holidays)
    answer = begin(plays, mine, etablissement=wednesdays.centre.pk, periode=holidays.period.pk)
    assert answer["Location"] == planning(theirs, holidays)


def test_a_period_not_open_yet_says_when_and_cannot_be_chosen(plays, holidays, enrol):
    mine = enrol(plays, holidays)
    page = plays.client().get(reverse("leisure:start", args=[mine.pk])).content.decode()
    assert f'value="{holidays.later.pk}" disabled' in page
    assert "Réservation ouverte à partir du lundi 14 décembre à 8 h." in page
    page = begin(plays, mine, etablissement=holidays.centre.pk, periode=holidays.later.pk).content.decode()
    assert "réservation ouverte à partir du lundi 14 décembre à 8 h." in page


def test_families_from_elsewhere_wait_longer(plays, holidays, enrol):
    plays.household.resident = False
    plays.household.save()
    page = plays.client().get(reverse("leisure:start", args=[enrol(plays, holidays).pk])).content.decode()
    assert "Réservation ouverte à partir du lundi 21 décembre à 8 h." in page


def test_a_closed_period_can_be_chosen_to_cancel_only(plays, holidays, enrol):
    Period.objects.filter(pk=holidays.period.pk).update(closes_at=paris(2026, 11, 8, 18))
    mine = enrol(plays, holidays)
    where = {"etablissement": holidays.centre.pk, "periode": holidays.period.pk}
    assert "close depuis le dimanche 8 novembre" in begin(plays, mine, **where).content.decode()
    address = reverse("leisure:start", args=[mine.pk]) + "?annulation"
    assert plays.client().post(address, where)["Location"] == planning(mine, holidays, "?annulation")


@pytest.mark.parametrize(
    "sent",
    [{}, {"etablissement": "x", "periode": "x"}, {"etablissement": "9999", "periode": "-1"}, {"periode": ""}],
)
def test_nonsense_is_named_field_by_field(plays, wednesdays, enrol, sent):
    answer = begin(plays, enrol(plays, wednesdays), **sent)
    assert answer.status_code == 200
    assert "points sont à corriger" in answer.content.decode()


def test_a_period_that_is_not_held_at_the_place_is_said(plays, wednesdays, holidays, enrol):
    lake = CentreFactory(code="le-lac", name="Centre du Lac")
    wednesdays.activity.establishments.add(lake)
    wednesdays.period.establishments.set([wednesdays.centre])
    mine = enrol(plays, wednesdays, establishment=None)
    PeriodFactory(
        activity=wednesdays.activity,
        school_year=mine.school_year,
        name="Mercredis de janvier",
        starts_on=date(2027, 1, 4),
        ends_on=date(2027, 2, 5),
    )
    page = begin(plays, mine, etablissement=lake.pk, periode=wednesdays.period.pk).content.decode()
    assert "pas lieu ici : Centre du Lac" in page
    address = reverse("leisure:planning", args=[mine.pk, lake.pk, wednesdays.period.pk])
    assert plays.client().get(address).status_code == 404


def test_without_an_accepted_enrolment_one_waits(plays, wednesdays, enrol):
    mine = enrol(plays, wednesdays, state="requested")
    page = plays.client().get(reverse("leisure:start", args=[mine.pk]), follow=True).content.decode()
    assert "pas encore accepté" in page


def test_a_centre_that_does_not_serve_the_school_is_refused_at_the_planning_too(
    plays, wednesdays, enrol, year
):
    elsewhere = SchoolFactory(name="École du Lac")
    plays.child.schoolings.update(school_class=SchoolClassFactory(school=elsewhere, school_year=year))
    mine = enrol(plays, wednesdays, establishment=None)
    address = planning(mine, wednesdays)
    assert "accueille pas les élèves" in plays.client().get(address, follow=True).content.decode()
    send(plays, address, book=[value(wednesdays.whole, WEDNESDAY)], shown="2026-W47")
    assert not Reservation.objects.exists()


# Weeks ------------------------------------------------------------------------------------------------------


def test_days_are_columns_and_formulas_rows(plays, holidays, enrol):
    page = plays.client().get(planning(enrol(plays, holidays), holidays)).content.decode()
    assert "Semaine 52, du 21 au 25 décembre" in page
    assert 'aria-label="Journée, lundi 21 décembre 2026, libre"' in page
    assert 'data-then="requested"' in page
    assert "lundi 28 décembre" not in page


def test_choices_of_other_weeks_are_kept(plays, holidays, enrol):
    address = planning(enrol(plays, holidays), holidays)
    send(plays, address, shown="2026-W52", book=[value(holidays.whole, MONDAY)], do="show:2026-W53")
    page = send(
        plays,
        address + "?semaine=2026-W53",
        shown="2026-W53",
        book=[value(holidays.meal, MONDAY_AFTER)],
        do="save",
    )
    assert lines(draft()) == [("Journée", MONDAY), ("Repas", MONDAY_AFTER)]
    assert "2 jours choisis" in page
    send(plays, address, shown="2026-W52", do="save")
    assert lines(draft()) == [("Repas", MONDAY_AFTER)]


@pytest.mark.parametrize("week", ["2026-W40", "2030-W01", "x", "2026-W99"])
def test_a_week_outside_the_period_shows_another_and_says_so(plays, holidays, enrol, week):
    address = planning(enrol(plays, holidays), holidays)
    answer = plays.client().get(address, {"semaine": week})
    assert answer.status_code == 200
    assert "pas dans cette période" in answer.content.decode()
    send(plays, address, shown=week, book=[value(holidays.whole, MONDAY)], do=f"show:{week}")
    assert lines(draft()) == [("Journée", MONDAY)]


def test_a_day_outside_the_period_is_left_aside(plays, holidays, enrol):
    outside = value(holidays.whole, date(2027, 1, 11))
    page = send(plays, planning(enrol(plays, holidays), holidays), shown="toutes", book=[outside], do="next")
    assert "Un jour inconnu a été laissé de côté." in page
    assert not Reservation.objects.exists()


def test_a_formula_of_another_activity_is_left_aside(plays, holidays, wednesdays, enrol):
    foreign = value(wednesdays.whole, MONDAY)
    page = send(plays, planning(enrol(plays, holidays), holidays), shown="2026-W52", book=[foreign])
    assert "Un jour inconnu a été laissé de côté." in page
    assert not Reservation.objects.exists()


def test_of_conflicting_formulas_the_first_is_kept_and_the_day_named(plays, holidays, enrol):
    both = [value(holidays.morning, MONDAY), value(holidays.whole, MONDAY), value(holidays.whole, TUESDAY)]
    page = send(plays, planning(enrol(plays, holidays), holidays), shown="2026-W52", book=both, do="next")
    assert "Lundi 21 décembre : « Matinée » et « Journée » se recouvrent" in page
    assert lines(draft()) == [("Matinée", MONDAY), ("Journée", TUESDAY)]


def test_conflicts_between_two_tabs_are_settled_too(plays, holidays, enrol):
    address = planning(enrol(plays, holidays), holidays)
    send(plays, address, shown="2026-W52", book=[value(holidays.whole, MONDAY)], do="save")
    page = plays.client().post(
        address,
        {"version": "", "shown": "2026-W52", "book": [value(holidays.morning, MONDAY)]},
        follow=True,
    )
    assert "autre onglet" in page.content.decode()
    assert lines(draft()) == [("Matinée", MONDAY)]


def test_a_draft_of_conflicting_formulas_records_the_first_only(plays, wednesdays, enrol, now):
    mine = enrol(plays, wednesdays)
    send(plays, planning(mine, wednesdays), shown="toutes", book=[value(wednesdays.morning, WEDNESDAY)])
    ReservationLine.objects.create(reservation=draft(), formula=wednesdays.whole, day=WEDNESDAY)
    record(plays, draft())
    outcomes = dict(ReservationLine.objects.values_list("formula__name", "outcome"))
    assert outcomes == {"Matinée": Outcome.ACCEPTED, "Journée": Outcome.REFUSED}
    audit()


# The menu of a formula --------------------------------------------------------------------------------------


def test_the_four_options_and_the_automatic_selection_without_javascript(plays, holidays, enrol):
    address = planning(enrol(plays, holidays), holidays)
    row = holidays.morning.pk
    send(plays, address, shown="2026-W52", do=f"select:{row}:2026-W52")
    assert [day.day for _, day in lines(draft())] == [21, 22, 23, 24]
    week = [value(holidays.morning, date(2026, 12, day)) for day in (21, 22, 23, 24)]
    send(plays, address, shown="2026-W52", book=week, do=f"select:{row}:toutes")
    assert [day.day for _, day in lines(draft())] == [21, 22, 23, 24, 28, 29, 30, 31]
    send(plays, address, shown="2026-W52", book=week, do=f"clear:{row}:2026-W52")
    assert [day.day for _, day in lines(draft())] == [28, 29, 30, 31]
    send(plays, address, shown="2026-W52", do=f"clear:{row}:toutes")
    assert not Reservation.objects.exists()
    automatic = {f"auto-{row}": ["0", "3", "x"], "shown": "2026-W52", "do": f"auto:{row}"}
    send(plays, address, **automatic, **{f"auto-where-{row}": "2026-W52"})
    assert lines(draft()) == [("Matinée", MONDAY), ("Matinée", THURSDAY)]
    send(plays, address, **automatic, **{f"auto-where-{row}": "toutes"})
    assert [day.day for _, day in lines(draft())] == [21, 24, 28, 31]


@pytest.mark.parametrize(
    "button",
    ["select:x:toutes", "select:9999:2026-W52", "clear::", "auto:", "select", "show:", "with:9999", "?"],
)
def test_unknown_buttons_do_nothing(plays, holidays, enrol, button):
    address = planning(enrol(plays, holidays), holidays)
    ticked = [value(holidays.whole, MONDAY)]
    answer = plays.client().post(address, {"version": "", "shown": "2026-W52", "book": ticked, "do": button})
    assert answer.status_code == 302
    assert lines(draft()) == [("Journée", MONDAY)]


# What becomes of it -----------------------------------------------------------------------------------------


def test_on_request_waits_for_the_town_hall_and_automatic_is_accepted(plays, wednesdays, holidays, enrol):
    for where, day, state in (
        (wednesdays, WEDNESDAY, BookingState.ACCEPTED),
        (holidays, MONDAY, BookingState.REQUESTED),
    ):
        mine = enrol(plays, where)
        page = plays.client().get(planning(mine, where)).content.decode()
        assert f'data-then="{state}"' in page
        send(plays, planning(mine, where), shown="toutes", book=[value(where.whole, day)])
        record(plays, draft())
        assert Booking.objects.get(enrolment=mine).state == state
    audit()


def test_capacity_lost_between_the_steps_marks_the_day_and_keeps_the_rest(plays, wednesdays, enrol):
    mine = enrol(plays, wednesdays)
    days = [value(wednesdays.whole, WEDNESDAY), value(wednesdays.whole, NEXT_WEDNESDAY)]
    send(plays, planning(mine, wednesdays), shown="toutes", book=days)
    fill(wednesdays, WEDNESDAY, "afternoon", 0)
    page = record(plays, draft())
    assert "Il n&#x27;y a plus de place : mercredi 18 novembre." in page
    assert not Booking.objects.exists()
    page = plays.client().get(planning(mine, wednesdays, "?semaine=2026-W47")).content.decode()
    assert "cell--lost" in page
    assert 'name="wait"' in page
    # One goes on with another week: the day lost is still in the draft, and still marked.
    kept = [value(wednesdays.whole, NEXT_WEDNESDAY)]
    send(plays, planning(mine, wednesdays), shown="2026-W48", book=kept, do="save")
    assert len(lines(draft())) == 2


def test_the_morning_full_closes_the_whole_day_but_not_the_afternoon(plays, wednesdays, enrol):
    fill(wednesdays, WEDNESDAY, "morning", 0)
    address = planning(enrol(plays, wednesdays), wednesdays, "?semaine=2026-W47")
    page = plays.client().get(address).content.decode()
    assert "Journée, mercredi 18 novembre 2026, complet" in page
    assert "Matinée, mercredi 18 novembre 2026, complet" in page
    assert "Après-midi, mercredi 18 novembre 2026, libre" in page


def test_a_period_shortened_in_the_middle_of_a_draft_says_so_and_keeps_the_rest(plays, wednesdays, enrol):
    mine = enrol(plays, wednesdays)
    days = [value(wednesdays.whole, WEDNESDAY), value(wednesdays.whole, NEXT_WEDNESDAY)]
    send(plays, planning(mine, wednesdays), shown="toutes", book=days)
    Period.objects.filter(pk=wednesdays.period.pk).update(ends_on=date(2026, 11, 20))
    page = send(plays, planning(mine, wednesdays), shown="2026-W47", book=days[:1], do="next")
    assert "Mercredi 25 novembre : ce jour n&#x27;est plus dans la période." in page
    assert lines(draft()) == [("Journée", WEDNESDAY)]


def test_a_day_closed_in_the_middle_of_a_draft_is_named(plays, wednesdays, enrol):
    mine = enrol(plays, wednesdays)
    days = [value(wednesdays.whole, WEDNESDAY), value(wednesdays.whole, NEXT_WEDNESDAY)]
    send(plays, planning(mine, wednesdays), shown="toutes", book=days)
    ClosureFactory(starts_on=NEXT_WEDNESDAY, establishment=wednesdays.centre, label="Travaux")
    page = send(plays, planning(mine, wednesdays), shown="2026-W47", book=days[:1], do="next")
    assert "Mercredi 25 novembre : travaux." in page
    assert lines(draft()) == [("Journée", WEDNESDAY)]
    page = send(plays, planning(mine, wednesdays), shown="2026-W47", book=days[:1], do="next")
    assert "Vérifiez les jours de Lina" in page


def test_a_period_closed_in_the_middle_of_a_draft_records_nothing_and_says_why(plays, wednesdays, enrol):
    mine = enrol(plays, wednesdays)
    send(plays, planning(mine, wednesdays), shown="toutes", book=[value(wednesdays.whole, WEDNESDAY)])
    Period.objects.filter(pk=wednesdays.period.pk).update(closes_at=paris(2026, 11, 9, 9))
    record(plays, draft())
    line = ReservationLine.objects.get()
    assert (line.outcome, Booking.objects.count()) == (Outcome.REFUSED, 0)
    assert "close" in line.reason


def test_without_a_health_file_nothing_is_booked_but_cancelling_stays_possible(plays, wednesdays, enrol):
    HealthFactory(child=plays.child)
    wednesdays.activity.health_file_required = True
    wednesdays.activity.save()
    mine = enrol(plays, wednesdays)
    address = planning(mine, wednesdays)
    send(plays, address, shown="toutes", book=[value(wednesdays.whole, WEDNESDAY)])
    record(plays, draft())
    ChildHealth.objects.all().delete()
    page = send(plays, address, shown="toutes", book=[value(wednesdays.whole, NEXT_WEDNESDAY)])
    assert "La fiche sanitaire de Lina manque" in page
    assert reverse("families:health", args=[plays.child.pk]) in page
    page = record(plays, draft())
    assert "La fiche sanitaire de Lina manque" in page
    assert Booking.objects.count() == 1
    send(plays, address, shown="toutes", cancel=[value(wednesdays.whole, WEDNESDAY)])
    record(plays, draft())
    assert Booking.objects.get().state == BookingState.CANCELLED


# Cancelling -------------------------------------------------------------------------------------------------


def test_deselecting_cancels_what_is_booked_when_one_came_to_cancel(plays, wednesdays, enrol):
    mine = enrol(plays, wednesdays)
    days = [value(wednesdays.whole, WEDNESDAY), value(wednesdays.whole, NEXT_WEDNESDAY)]
    send(plays, planning(mine, wednesdays), shown="toutes", book=days)
    record(plays, draft())
    address = planning(mine, wednesdays, "?annulation")
    row = wednesdays.whole.pk
    send(plays, address, shown="2026-W47", do=f"clear:{row}:2026-W47")
    assert lines(draft()) == [("Journée", WEDNESDAY)]
    send(plays, address, shown="2026-W47", cancel=days[:1], do=f"clear:{row}:toutes")
    assert lines(draft()) == [("Journée", WEDNESDAY), ("Journée", NEXT_WEDNESDAY)]
    assert set(draft().lines.values_list("action", flat=True)) == {Action.CANCEL}
    second = draft()
    record(plays, second)
    second.refresh_from_db()
    assert second.state == ReservationState.ACCEPTED
    assert set(Booking.objects.values_list("state", flat=True)) == {BookingState.CANCELLED}
    assert not Slot.objects.filter(taken__gt=0).exists()


# Brothers and sisters ---------------------------------------------------------------------------------------


def test_the_same_days_are_applied_to_a_brother_where_he_may_have_them(plays, brother, wednesdays, enrol):
    mine = enrol(plays, wednesdays)
    his = enrol(plays, wednesdays, child=brother, establishment=None)
    send(plays, planning(mine, wednesdays), shown="toutes", book=[value(wednesdays.whole, WEDNESDAY)])
    address = reverse("reservations:validation", args=[draft().pk])
    assert "Appliquer aussi à" in plays.client().get(address).content.decode()
    plays.client().post(address, {"also": [his.pk]})
    first = Reservation.objects.get(child=plays.child)
    record(plays, first)
    assert set(Booking.objects.values_list("child__first_name", "state")) == {
        ("Lina", BookingState.ACCEPTED),
        ("Hugo", BookingState.ACCEPTED),
    }
    assert Reservation.objects.get(child=brother).establishment == wednesdays.centre


def test_a_brother_elsewhere_is_offered_only_where_the_period_is_held(plays, brother, wednesdays, enrol):
    lake = CentreFactory(code="le-lac", name="Centre du Lac")
    wednesdays.activity.establishments.add(lake)
    wednesdays.period.establishments.set([wednesdays.centre])
    mine = enrol(plays, wednesdays)
    enrol(plays, wednesdays, child=brother, establishment=lake)
    send(plays, planning(mine, wednesdays), shown="toutes", book=[value(wednesdays.whole, WEDNESDAY)])
    address = reverse("reservations:validation", args=[draft().pk])
    assert "Appliquer aussi à" not in plays.client().get(address).content.decode()
    assert "Afficher aussi Hugo" not in plays.client().get(planning(mine, wednesdays)).content.decode()


def test_a_brother_whose_school_is_not_served_is_not_offered(plays, brother, wednesdays, enrol, year):
    elsewhere = SchoolClassFactory(school=SchoolFactory(name="École du Lac"), school_year=year)
    brother.schoolings.all().delete()
    SchoolingFactory(child=brother, school_class=elsewhere)
    mine = enrol(plays, wednesdays)
    enrol(plays, wednesdays, child=brother, establishment=None)
    assert "Afficher aussi Hugo" not in plays.client().get(planning(mine, wednesdays)).content.decode()


def test_two_children_on_one_page_keep_their_own_drafts_and_go_on_together(plays, brother, wednesdays, enrol):
    mine, his = enrol(plays, wednesdays), enrol(plays, wednesdays, child=brother)
    address = planning(mine, wednesdays, f"?avec={his.pk}")
    page = plays.client().get(address).content.decode()
    assert "Lina, Journée, mercredi" in page
    assert "Hugo, Journée, mercredi" in page
    sent = {
        "version": "",
        f"version-{his.pk}": "",
        "shown": "2026-W47",
        "book": value(wednesdays.whole, WEDNESDAY),
        f"book-{his.pk}": value(wednesdays.morning, WEDNESDAY),
        "do": "next",
    }
    page = plays.client().post(address, sent, follow=True).content.decode()
    first, second = Reservation.objects.get(child=plays.child), Reservation.objects.get(child=brother)
    assert second.companion_of == first
    assert "Et pour Hugo" in page
    assert f"avec={his.pk}" in page

    validation = reverse("reservations:validation", args=[first.pk])
    plays.client().post(validation, {"with": [second.pk]})
    record(plays, first)
    assert set(Booking.objects.values_list("child__first_name", "formula__name")) == {
        ("Lina", "Journée"),
        ("Hugo", "Matinée"),
    }


def test_a_companion_may_be_left_for_later(plays, brother, wednesdays, enrol):
    mine, his = enrol(plays, wednesdays), enrol(plays, wednesdays, child=brother)
    sent = {
        "version": "",
        f"version-{his.pk}": "",
        "shown": "2026-W47",
        "book": value(wednesdays.whole, WEDNESDAY),
        f"book-{his.pk}": value(wednesdays.whole, WEDNESDAY),
    }
    plays.client().post(planning(mine, wednesdays, f"?avec={his.pk}"), sent)
    first = Reservation.objects.get(child=plays.child)
    plays.client().post(reverse("reservations:validation", args=[first.pk]))
    record(plays, first)
    assert list(Booking.objects.values_list("child__first_name", flat=True)) == ["Lina"]
    assert Reservation.objects.drafts().get().child == brother


@pytest.mark.parametrize("forged", ["9999", "x", ""])
def test_an_unknown_companion_is_not_shown(plays, wednesdays, enrol, forged):
    mine = enrol(plays, wednesdays)
    assert plays.client().get(planning(mine, wednesdays, f"?avec={forged}")).status_code == 200


def test_a_strangers_child_is_never_a_companion(plays, stranger, wednesdays, enrol):
    mine, theirs = enrol(plays, wednesdays), enrol(stranger, wednesdays)
    address = planning(mine, wednesdays, f"?avec={theirs.pk}")
    assert "Zoé" not in plays.client().get(address).content.decode()
    sent = {"version": "", "shown": "2026-W47", f"book-{theirs.pk}": value(wednesdays.whole, WEDNESDAY)}
    plays.client().post(address, sent)
    assert not Reservation.objects.exists()


# Cost -------------------------------------------------------------------------------------------------------


@pytest.fixture
def summer(holidays, year, now):
    """Eight weeks of five days."""
    SchoolHolidayFactory(name="Vacances d'été", starts_on=date(2027, 7, 3), ends_on=date(2027, 8, 31))
    holidays.period = PeriodFactory(
        activity=holidays.activity,
        school_year=year,
        code="ete",
        name="Vacances d'été 2027",
        starts_on=date(2027, 7, 5),
        ends_on=date(2027, 8, 27),
    )
    open_slots(holidays.period, at=now)
    return holidays


@pytest.mark.parametrize("query", ["", "?semaine=2027-W30", "?semaine=toutes"])
@pytest.mark.parametrize("chosen", [False, True])
def test_a_summer_is_shown_in_at_most_twelve_queries(
    plays, brother, summer, enrol, query, chosen, django_assert_max_num_queries
):
    mine = enrol(plays, summer)
    enrol(plays, summer, child=brother)
    address = planning(mine, summer)
    if chosen:
        send(plays, address, shown="toutes", do=f"select:{summer.whole.pk}:toutes")
    client = plays.client()
    client.get("/")
    with django_assert_max_num_queries(12):
        assert client.get(address + query).status_code == 200


def test_a_summer_is_recorded_in_at_most_25_queries(plays, summer, enrol, django_assert_max_num_queries):
    mine = enrol(plays, summer)
    address = planning(mine, summer)
    parts = [summer.morning, summer.meal, summer.afternoon]
    days = [
        value(formula, slot.day)
        for slot in Slot.objects.filter(
            activity=summer.activity, part="noon", day__gte=summer.period.starts_on
        )
        for formula in parts
    ]
    send(plays, address, shown="toutes", book=days, do="save")
    found = draft()
    assert found.lines.count() == 3 * 40
    client = plays.client()
    client.get("/")
    with django_assert_max_num_queries(25):
        client.post(reverse("reservations:recording", args=[found.pk]))
    assert Booking.objects.count() == 3 * 40
