"""The way of a reservation as a browser walks it: planning, validation, recording, detail."""

from datetime import date

import pytest
import time_machine
from django.urls import reverse

from portal.reservations.models import Booking, Enrolment, Reservation, Slot
from portal.reservations.states import BookingState, ReservationState
from tests.factories import (
    BookingFactory,
    ChildFactory,
    ClosureFactory,
    EstablishmentFactory,
    PeriodFactory,
    paris,
)

THURSDAY, FRIDAY = date(2026, 11, 12), date(2026, 11, 13)


@pytest.fixture
def planning_url(books, canteen) -> str:
    return reverse("catering:planning", args=[books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk])


def value(canteen, day: date) -> str:
    return f"{canteen.formula.pk}:{day.isoformat()}"


def draft() -> Reservation:
    return Reservation.objects.drafts().get()


def test_a_parent_books_two_days_from_planning_to_detail(books_client, canteen, planning_url, books):
    page = books_client.get(planning_url)
    assert 'aria-label="jeudi 12 novembre 2026, libre"' in page.content.decode()

    days = [value(canteen, THURSDAY), value(canteen, FRIDAY)]
    page = books_client.post(planning_url, {"book": days, "version": "", "do": "next"}, follow=True)
    assert page.redirect_chain[-1][0] == reverse("reservations:validation", args=[draft().pk])
    assert "<span><b>jeu.</b> 12</span> <span><b>ven.</b> 13</span>" in page.content.decode()

    page = books_client.post(page.redirect_chain[-1][0], follow=True)
    assert f"n°&nbsp;{draft().number}" in page.content.decode()

    reservation = draft()
    page = books_client.post(page.redirect_chain[-1][0], follow=True)
    assert "C&#x27;est enregistré : Lina, 2 jours." in page.content.decode()
    assert (
        f'<a href="{reverse("reservations:detail", args=[reservation.pk])}">Voir la' in page.content.decode()
    )
    assert set(Booking.objects.values_list("day", "state")) == {
        (THURSDAY, BookingState.ACCEPTED),
        (FRIDAY, BookingState.ACCEPTED),
    }

    page = books_client.get(reverse("reservations:detail", args=[reservation.pk]))
    assert page.content.decode().count("Acceptée") >= 2


def test_a_booked_day_is_cancelled_by_a_new_reservation(books_client, canteen, planning_url):
    books_client.post(planning_url, {"book": [value(canteen, THURSDAY)], "version": ""})
    books_client.post(reverse("reservations:recording", args=[draft().pk]))

    page = books_client.get(planning_url).content.decode()
    assert 'name="cancel"' in page
    books_client.post(planning_url, {"cancel": [value(canteen, THURSDAY)], "version": ""})
    second = draft()
    books_client.post(reverse("reservations:recording", args=[second.pk]))

    assert Booking.objects.get().state == BookingState.CANCELLED
    first = Reservation.objects.exclude(pk=second.pk).get()
    assert first.state == ReservationState.CANCELLED
    second.refresh_from_db()
    assert second.state == ReservationState.ACCEPTED
    assert canteen.slot(THURSDAY).taken == 0


def test_the_buttons_without_javascript_tick_and_untick(books_client, canteen, planning_url):
    books_client.post(planning_url, {"version": "", "do": "week:2026-W47"})
    assert [line.day.day for line in draft().lines.all()] == [16, 17, 18, 19, 20]
    kept = [value(canteen, line.day) for line in draft().lines.all()]
    version = draft().touched_at.isoformat()
    books_client.post(planning_url, {"version": version, "book": kept, "do": "week:2026-W47"})
    assert not Reservation.objects.exists()

    books_client.post(planning_url, {"version": "", "do": "weekday:3"})
    assert {line.day.weekday() for line in draft().lines.all()} == {3}
    books_client.post(
        planning_url,
        {"version": draft().touched_at.isoformat(), "do": "usual", "usual_weekday": ["0", "9", "x"]},
    )
    assert {line.day.weekday() for line in draft().lines.all()} == {0}


def test_two_tabs_lose_nothing(books_client, canteen, planning_url):
    books_client.post(planning_url, {"version": "", "book": [value(canteen, THURSDAY)], "do": "save"})
    page = books_client.post(
        planning_url, {"version": "", "book": [value(canteen, FRIDAY)], "do": "next"}, follow=True
    )
    assert "autre onglet" in page.content.decode()
    assert [line.day for line in draft().lines.all()] == [THURSDAY, FRIDAY]


def test_a_day_that_cannot_be_had_is_named_and_the_others_kept(books_client, canteen, planning_url):
    closed, late = date(2026, 11, 11), date(2026, 11, 10)
    posted = [value(canteen, day) for day in (closed, late, FRIDAY)]
    page = books_client.post(
        planning_url, {"version": "", "book": [*posted, "x:y", "9999:2026-11-13"]}, follow=True
    ).content.decode()
    assert "Mercredi 11 novembre : férié" in page
    assert "Mardi 10 novembre : réservation close depuis" in page
    assert [line.day for line in draft().lines.all()] == [FRIDAY]


def test_a_place_lost_meanwhile_sends_back_to_the_planning_with_the_day_marked(
    books_client, waits_client, canteen, planning_url, waits
):
    slot = canteen.slot(THURSDAY)
    slot.capacity = 1
    slot.save()
    both = [value(canteen, THURSDAY), value(canteen, FRIDAY)]
    books_client.post(planning_url, {"version": "", "book": both})
    mine = draft()
    other = reverse("catering:planning", args=[waits.enrolment.pk, canteen.restaurant.pk, canteen.period.pk])
    waits_client.post(other, {"version": "", "book": [value(canteen, THURSDAY)]})
    theirs = Reservation.objects.drafts().exclude(pk=mine.pk).get()
    waits_client.post(reverse("reservations:recording", args=[theirs.pk]))

    page = books_client.post(reverse("reservations:recording", args=[mine.pk]), follow=True)
    text = page.content.decode()
    assert page.redirect_chain[-1][0] == planning_url
    assert "cell--lost" in text
    assert 'name="wait"' in text
    assert not Booking.objects.filter(child=mine.child).exists()

    mine.refresh_from_db()
    books_client.post(
        planning_url,
        {
            "version": mine.touched_at.isoformat(),
            "wait": [value(canteen, THURSDAY)],
            "book": [value(canteen, FRIDAY)],
        },
    )
    books_client.post(reverse("reservations:recording", args=[mine.pk]))
    assert set(Booking.objects.filter(child=mine.child).values_list("day", "state")) == {
        (THURSDAY, BookingState.WAITLISTED),
        (FRIDAY, BookingState.ACCEPTED),
    }


def test_a_day_that_closed_since_it_was_ticked_is_said_on_the_planning_and_at_validation(
    books, books_client, canteen, planning_url, time_machine
):
    """The draft was kept on Monday; on Thursday Friday is too late, and the strike closes Monday."""
    monday = date(2026, 11, 16)
    tuesday = date(2026, 11, 17)
    ticked = [value(canteen, day) for day in (FRIDAY, monday, tuesday)]
    books_client.post(planning_url, {"version": "", "book": ticked})
    validation = reverse("reservations:validation", args=[draft().pk])
    assert "ne sont plus possibles" not in books_client.get(planning_url).text
    assert "ne sont plus possibles" not in books_client.get(validation).text

    ClosureFactory(starts_on=monday)
    time_machine.move_to(paris(2026, 11, 12, 14), tick=False)
    books_client.force_login(books.user)
    too_late = "Le vendredi 13 novembre n&#x27;est plus proposé : réservation close depuis le"
    closed = "Le lundi 16 novembre n&#x27;est plus proposé : grève."
    for page in (books_client.get(planning_url).text, books_client.get(validation).text):
        assert too_late in page
        assert closed in page
        assert "mardi 17 novembre n&#x27;est plus proposé" not in page
    assert 'Jours à réserver <span class="count">(1)</span>' in books_client.get(validation).text


def test_a_draft_of_which_nothing_is_left_leads_back_to_the_planning_that_says_why(
    books, books_client, canteen, planning_url, time_machine
):
    books_client.post(planning_url, {"version": "", "book": [value(canteen, FRIDAY)]})
    validation = reverse("reservations:validation", args=[draft().pk])
    time_machine.move_to(paris(2026, 11, 20, 14), tick=False)
    books_client.force_login(books.user)
    answer = books_client.get(validation, follow=True)
    assert answer.redirect_chain == [(planning_url, 302)]
    assert "Le vendredi 13 novembre n&#x27;est plus proposé : ce jour est passé." in answer.text


def test_a_cancellation_that_came_too_late_is_said(books, books_client, canteen, planning_url, time_machine):
    BookingFactory(enrolment=books.enrolment, day=FRIDAY)
    books_client.post(planning_url, {"version": "", "cancel": [value(canteen, FRIDAY)]})
    time_machine.move_to(paris(2026, 11, 13, 8), tick=False)
    books_client.force_login(books.user)
    page = books_client.get(planning_url).text
    assert "Le vendredi 13 novembre ne peut plus être annulé : annulation close depuis" in page


def test_recording_twice_changes_nothing_the_second_time(books_client, canteen, planning_url):
    books_client.post(planning_url, {"version": "", "book": [value(canteen, THURSDAY)]})
    url = reverse("reservations:recording", args=[draft().pk])
    books_client.post(url)
    page = books_client.post(url, follow=True)
    assert "déjà enregistrée" in page.content.decode()
    assert Booking.objects.count() == 1


def test_a_stranger_sees_none_of_it(stranger_client, books_client, canteen, planning_url):
    books_client.post(planning_url, {"version": "", "book": [value(canteen, THURSDAY)]})
    number = draft().pk
    for name in ("detail", "validation", "recording", "abandon"):
        assert stranger_client.get(reverse(f"reservations:{name}", args=[number])).status_code == 404
    for name in ("validation", "recording", "abandon"):
        assert stranger_client.post(reverse(f"reservations:{name}", args=[number])).status_code == 404
    assert stranger_client.get(planning_url).status_code == 404


def test_a_session_that_expired_in_the_planning_loses_no_tick(client, books, canteen, planning_url):
    client.post(planning_url, {"version": "", "book": [value(canteen, THURSDAY)], "do": "next"})
    client.force_login(books.user)
    page = client.get(planning_url, follow=True)
    assert "conservés" in page.content.decode()
    assert [line.day for line in draft().lines.all()] == [THURSDAY]
    assert not Booking.objects.exists()


@pytest.mark.parametrize("ticked", [False, True])
def test_the_planning_is_read_in_at_most_twelve_queries(
    books_client, canteen, planning_url, ticked, django_assert_max_num_queries
):
    if ticked:
        books_client.post(planning_url, {"version": "", "do": "all"})
    books_client.get(planning_url)  # the town and its tariffs are kept half a minute
    with django_assert_max_num_queries(12):
        books_client.get(planning_url)


def test_an_enrolment_needs_a_usual_day_and_says_so_before(books_client, books, canteen):
    where = reverse("catering:enrolment", args=[books.enrolment.pk])
    legend = "Jours où votre enfant mange au restaurant scolaire</legend>"
    assert legend in books_client.get(where).text, "not « facultatif »"
    assert "Cochez au moins un jour habituel" in books_client.post(where, {}).text


def test_a_restaurant_for_other_schools_is_refused_and_the_right_ones_are_named(
    books, books_client, canteen, school, school_class
):
    mill = EstablishmentFactory(name="École du Moulin", kind="school")
    elsewhere = EstablishmentFactory(name="Restaurant du Moulin", serves=[mill])
    canteen.activity.establishments.add(elsewhere)
    second = ChildFactory(first_name="Hugo", last_name="Roux", households=[books.household])
    where = reverse("catering:enrol", args=[second.pk])
    typed = {"school": school.pk, "school_class": school_class.pk, "restaurant": elsewhere.pk}
    [error] = books_client.post(where, typed).context["form"].errors["restaurant"]
    assert error.startswith("Ce restaurant n'accueille pas les élèves de « École des Tilleuls ».")
    assert error.endswith("Choisissez « Restaurant du Verger ».")


def test_classes_and_restaurants_say_which_schools_they_are_for(
    books_client, books, canteen, school, school_class
):
    anywhere = EstablishmentFactory(name="Restaurant de la Place")
    canteen.activity.establishments.add(anywhere)
    page = books_client.get(reverse("catering:enrolment", args=[books.enrolment.pk])).text
    assert f'<option value="{canteen.restaurant.pk}" selected data-schools="{school.pk}">' in page
    assert f'<option value="{school_class.pk}" selected data-schools="{school.pk}">' in page
    assert f'<option value="{anywhere.pk}">Restaurant de la Place</option>' in page


def test_a_refused_enrolment_leads_to_a_new_request_instead_of_a_change_nobody_reads(books_client, books):
    Enrolment.objects.filter(pk=books.enrolment.pk).update(state="refused", refusal_reason="Plus de place.")
    where = reverse("catering:enrolment", args=[books.enrolment.pk])
    page = books_client.get(where).text
    assert "Plus de place." in page
    assert reverse("catering:enrol", args=[books.child.pk]) in page
    assert ">Enregistrer<" not in page
    answer = books_client.post(where, {"weekdays": ["0"]}, follow=True).text
    assert "Faites une nouvelle demande" in answer
    assert "est à jour" not in answer


def test_the_thanks_say_how_many_days_are_accepted_and_how_many_wait(books_client, canteen, planning_url):
    Slot.objects.filter(day=FRIDAY).update(capacity=0)
    days = {"book": [value(canteen, THURSDAY)], "wait": [value(canteen, FRIDAY)], "version": ""}
    books_client.post(planning_url, days)
    thanks = books_client.post(reverse("reservations:recording", args=[draft().pk]), follow=True).text
    assert "C&#x27;est enregistré : Lina, 1 jour accepté et 1 jour sur la liste d&#x27;attente." in thanks
    assert "dès qu&#x27;une place se libère" in thanks


def test_nobody_at_the_town_hall_is_said_to_answer_a_waiting_list(books_client, canteen, planning_url):
    Slot.objects.filter(day=FRIDAY).update(capacity=0)
    books_client.post(planning_url, {"wait": [value(canteen, FRIDAY)], "version": ""})
    thanks = books_client.post(reverse("reservations:recording", args=[draft().pk]), follow=True).text
    assert "1 jour sur la liste d&#x27;attente." in thanks
    assert "La mairie va vous répondre" not in thanks


def test_who_cancels_is_not_told_that_the_days_are_accepted(books_client, canteen, planning_url):
    books_client.post(planning_url, {"book": [value(canteen, THURSDAY)], "version": ""})
    books_client.post(reverse("reservations:recording", args=[draft().pk]), follow=True)
    books_client.post(planning_url, {"cancel": [value(canteen, THURSDAY)], "version": ""})
    thanks = books_client.post(reverse("reservations:recording", args=[draft().pk]), follow=True).text
    assert "C&#x27;est enregistré : Lina, 1 jour annulé." in thanks


def test_a_second_child_s_enrolment_starts_where_the_first_one_goes(books, books_client, canteen, school):
    second = ChildFactory(first_name="Hugo", last_name="Roux", households=[books.household])
    form = books_client.get(reverse("catering:enrol", args=[second.pk])).context["form"]
    said = {"school": school.pk, "restaurant": canteen.restaurant.pk, "weekdays": books.enrolment.weekdays}
    assert form.initial == said


def test_reservations_of_a_service_that_does_not_exist_are_not_found(books_client):
    assert books_client.get(reverse("reservations:all", args=["piscine"])).status_code == 404


# What is said before one decides ----------------------------------------------------------------------------


def test_a_late_day_says_so_in_its_cell_at_validation_and_at_recording(
    books_client, canteen, planning_url, now
):
    canteen.rule.number = 30  # days before: all of November is late
    canteen.rule.save()
    canteen.activity.deadlines.filter(action="book").update(late="request")
    page = books_client.get(planning_url).content.decode()
    assert 'aria-label="jeudi 12 novembre 2026, libre, hors délai, sur demande"' in page
    assert "Hors délai : ce sera une demande, la mairie vous répond." in page

    page = books_client.post(
        planning_url, {"book": [value(canteen, THURSDAY)], "version": "", "do": "next"}, follow=True
    )
    assert (
        "<strong>jeu. 12 : hors délai.</strong> C&#x27;est une demande : la mairie vous répond." in page.text
    )
    page = books_client.post(page.redirect_chain[-1][0], follow=True).content.decode()
    assert "1 jour hors délai" in page
    page = books_client.get(planning_url).content.decode()
    assert "1 jour choisi · dont 1 hors délai" in page


def test_a_day_on_time_is_not_called_late(books_client, planning_url):
    assert "hors délai" not in books_client.get(planning_url).content.decode().lower()


def test_a_week_says_its_nearest_deadline_and_each_day_its_own(books_client, canteen, planning_url):
    page = books_client.get(planning_url).content.decode()
    assert f'value="{value(canteen, FRIDAY)}" aria-description="Réservable jusqu' in page
    row = page[page.index('value="week:2026-W46"') :]
    assert "jusqu'au 10/11 à 10 h" in row[: row.index("</th>")].replace("\N{NO-BREAK SPACE}", " ").replace(
        "&#x27;", "'"
    )


def test_a_week_without_a_free_day_cannot_be_ticked_and_says_so(books_client, books, planning_url):
    for day in (16, 17, 18, 19, 20):
        BookingFactory(enrolment=books.enrolment, day=date(2026, 11, day))
    page = books_client.get(planning_url).content.decode()
    closed = page[page.index('value="week:2026-W47"') :]
    assert "disabled" in closed[: closed.index(">")]
    free = page[page.index('value="week:2026-W48"') :]
    assert "disabled" not in free[: free.index(">")]


def test_two_tabs_keep_the_days_of_both_and_the_page_ticks_them(books_client, canteen, planning_url):
    first = books_client.post(
        planning_url,
        {"book": [value(canteen, THURSDAY)], "version": "", "do": "save"},
        headers={"Accept": "application/json"},
    ).json()
    assert "ticked" not in first
    with time_machine.travel(paris(2026, 11, 9, 10, 1), tick=False):
        books_client.post(
            planning_url,
            {
                "book": [value(canteen, THURSDAY), value(canteen, FRIDAY)],
                "version": first["versions"]["version"],
            },
        )
    monday = value(canteen, date(2026, 11, 16))
    third = books_client.post(
        planning_url,
        {
            "book": [value(canteen, THURSDAY), monday],
            "version": first["versions"]["version"],
            "do": "save",
        },
        headers={"Accept": "application/json"},
    ).json()
    assert third["ticked"]["book"] == [value(canteen, THURSDAY), value(canteen, FRIDAY), monday]
    assert "réunis" in third["said"]
    assert draft().lines.count() == 3


def test_another_period_is_one_tap_away(books_client, canteen, planning_url, books):
    page = books_client.get(planning_url).content.decode()
    assert "Période suivante" not in page
    after = PeriodFactory(
        activity=canteen.activity,
        school_year=canteen.period.school_year,
        name="Janvier à juillet",
        starts_on=date(2027, 1, 4),
        ends_on=date(2027, 7, 2),
    )
    over = PeriodFactory(
        activity=canteen.activity,
        school_year=canteen.period.school_year,
        name="Septembre",
        starts_on=date(2026, 9, 1),
        ends_on=date(2026, 9, 30),
    )
    page = books_client.get(planning_url).content.decode()
    there = reverse("catering:planning", args=[books.enrolment.pk, canteen.restaurant.pk, after.pk])
    assert "Période suivante" in page and f'href="{there}"' in page
    assert over.name not in page
    page = books_client.get(there).content.decode()
    assert f'href="{planning_url}"' in page and "Période précédente" in page


def test_what_was_begun_is_said_and_begun_again_with_a_way_back(books_client, canteen, planning_url, books):
    books_client.post(planning_url, {"book": [value(canteen, THURSDAY)], "version": ""})
    start = reverse("catering:start", args=[books.enrolment.pk])
    page = books_client.get(start, follow=True)
    assert "Vous reprenez une réservation commencée le 9 novembre 2026 : 1 jour choisi" in (
        page.content.decode().replace("\N{NO-BREAK SPACE}", " ")
    )
    address = page.redirect_chain[-1][0]
    assert "Vous reprenez" not in books_client.get(planning_url).content.decode()

    page = books_client.post(address, {"do": "restart"}, follow=True).content.decode()
    assert not Reservation.objects.drafts().exists()
    assert f'type="hidden" name="book" value="{value(canteen, THURSDAY)}"' in page
    assert 'value="restore"' not in books_client.get(planning_url).content.decode()
    books_client.post(address, {"book": [value(canteen, THURSDAY)], "do": "restore"})
    assert draft().lines.get().day == THURSDAY


def test_nothing_begun_is_nothing_said(books_client, books):
    page = books_client.get(reverse("catering:start", args=[books.enrolment.pk]), follow=True)
    assert "reprise" not in page.redirect_chain[-1][0]
    assert "Vous reprenez" not in page.content.decode()
