"""What validation, recording and « Annuler plusieurs jours » say of days: by month, with amounts."""

from datetime import date
from html import unescape

import pytest
from django.urls import reverse

from billing.models import FormulaTariff, Tariff, TariffBand
from billing.prices import estimates
from families.custody import calendars
from families.custody.calendars import Terms
from families.models import Custody
from portal.reservations.acts import booking, reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Activity, Booking, Enrolment, Reservation, ReservationLine
from portal.reservations.pages import checking
from portal.reservations.pages.prices import PricedLine
from portal.reservations.states import Action, BookingState
from tests.conftest import NOW, brother_of, logged_in
from tests.factories import (
    DietChoiceFactory,
    GuardianFactory,
    HouseholdFactory,
    UserFactory,
    paris,
    weekdays_between,
)

TUESDAY, THURSDAY, FRIDAY = date(2026, 11, 10), date(2026, 11, 12), date(2026, 11, 13)
DECEMBER = date(2026, 12, 1)


@pytest.fixture
def meals(canteen) -> Tariff:
    """A meal costs 4.90 €."""
    tariff = Tariff.objects.create(code="repas", name="Repas", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "4.90"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    estimates.forget()
    return tariff


@pytest.fixture
def brother(books, canteen) -> Enrolment:
    found = brother_of(books, "Hugo", requested_by=books.user)
    DietChoiceFactory(child=found.child)
    return found


@pytest.fixture
def choose(books, canteen, now):
    def make(*days: date, cancel=(), enrolment=None) -> Reservation:
        draft = reservation_drafts.choose(
            enrolment or books.enrolment,
            canteen.restaurant,
            canteen.period,
            book={Choice(canteen.formula.pk, day) for day in days},
            cancel={Choice(canteen.formula.pk, day) for day in cancel},
            by=books.user,
            at=now,
        )
        assert draft is not None
        return draft

    return make


def said(answer) -> str:
    return " ".join(unescape(answer.content.decode()).replace("\N{NO-BREAK SPACE}", " ").split())


def check_page(client, draft: Reservation) -> str:
    return said(client.get(reverse("reservations:validation", args=[draft.pk])))


def recording_page(client, draft: Reservation) -> str:
    return said(client.get(reverse("reservations:recording", args=[draft.pk])))


def late_on_request(canteen) -> None:
    canteen.activity.deadlines.filter(action="book").update(
        late="request", surcharge="add", surcharge_amount=1
    )


# By month and weekday ---------------------------------------------------------------------------------------


def test_days_stand_by_weekday_in_their_order_and_the_first_is_1er():
    days = [date(2026, 12, 8), DECEMBER, date(2026, 12, 3)]
    assert checking.weekdays(days) == [("mar.", "1er, 8"), ("jeu.", "3")]
    assert checking.by_weekday(days) == "mar. 1er, 8 ; jeu. 3"
    assert checking.by_weekday(days[1:]) == "mar. 1er et jeu. 3"


def test_each_month_says_its_days_its_price_and_how_it_is_counted(choose, meals, books_client):
    page = check_page(books_client, choose(THURSDAY, FRIDAY, DECEMBER))
    assert '<span>Novembre 2026</span> <span class="amount">9,80 €</span>' in page
    assert "2 jours × 4,90 €" in page
    assert "<span><b>jeu.</b> 12</span> <span><b>ven.</b> 13</span>" in page
    assert "<span><b>mar.</b> 1er</span>" in page
    assert "Total estimé des jours à réserver : <strong>14,70 €</strong>" in page


def test_a_late_day_is_a_sentence_with_its_amount_on_every_step(choose, meals, canteen, books_client):
    late_on_request(canteen)
    draft = choose(TUESDAY, THURSDAY)
    page = check_page(books_client, draft)
    assert "1 jour hors délai × 5,90 € + 1 jour × 4,90 €" in page
    assert "<strong>mar. 10 : hors délai, + 1,00 €.</strong> C'est une demande" in page
    assert "1 jour hors délai, + 1,00 €" in recording_page(books_client, draft)


def test_without_a_tariff_days_are_counted_and_nothing_is_said_of_money(choose, books_client):
    draft = choose(THURSDAY, FRIDAY)
    pages = check_page(books_client, draft) + recording_page(books_client, draft)
    assert "2 jours" in pages
    assert "€" not in pages
    assert "Montant" not in pages


# Brothers and sisters ---------------------------------------------------------------------------------------


def test_a_brother_s_amount_stands_beside_his_box_and_what_he_cannot_have_is_said(
    choose, meals, brother, books_client, canteen
):
    booked = choose(FRIDAY, enrolment=brother)
    booking.submit(booked, by=booked.created_by, at=booked.touched_at)
    draft = choose(THURSDAY, FRIDAY)
    page = check_page(books_client, draft)
    row = page[page.index('name="also"') :]
    row = row[: row.index("</fieldset>")]
    assert '<span class="sum-days">1 jour</span><span class="amount">4,90 €</span>' in row
    assert "Vendredi 13 novembre ne peut pas être réservé." in row
    assert not Reservation.objects.drafts().filter(child=brother.child).exists(), "only looked at"


def in_two_homes(brother: Enrolment, agent, *others: date) -> None:
    """Hugo also lives with his father, whose days these are; Thursday is his mother's."""
    father = HouseholdFactory()
    Custody.objects.create(child=brother.child, household=father)
    own = [(THURSDAY, THURSDAY, brother.household_id)]
    dates = [*own, *((day, day, father.pk) for day in others)]
    terms = Terms(brother.household_id, father.pk, THURSDAY.weekday(), dates=dates)
    calendars.write(brother.child, terms, by=agent, at=NOW)


def test_days_of_a_brothers_other_home_are_left_out_and_said(choose, meals, brother, books_client, agent):
    in_two_homes(brother, agent, FRIDAY)
    draft = choose(THURSDAY, FRIDAY)
    page = check_page(books_client, draft)
    row = page[page.index('name="also"') :]
    assert '<span class="sum-days">1 jour</span><span class="amount">4,90 €</span>' in row
    assert "Vendredi 13 novembre est un jour de l'autre foyer, à cocher dans son planning." in row
    address = reverse("reservations:validation", args=[draft.pk])
    answer = books_client.post(address, {"also": [brother.pk]}, follow=True)
    assert "Hugo : vendredi 13 novembre est un jour de l'autre foyer" in said(answer)
    lines = ReservationLine.objects.filter(reservation__child=brother.child)
    assert list(lines.values_list("day", flat=True)) == [THURSDAY]


def test_a_day_of_the_other_home_that_was_ticked_by_hand_stays(choose, brother, books_client, agent):
    in_two_homes(brother, agent, FRIDAY)
    choose(FRIDAY, enrolment=brother)
    draft = choose(THURSDAY, FRIDAY)
    books_client.post(reverse("reservations:validation", args=[draft.pk]), {"also": [brother.pk]})
    lines = ReservationLine.objects.filter(reservation__child=brother.child).order_by("day")
    assert list(lines.values_list("day", flat=True)) == [THURSDAY, FRIDAY]


def test_a_brother_whose_days_are_all_the_other_homes_is_not_offered_any(
    choose, brother, books_client, agent
):
    in_two_homes(brother, agent, FRIDAY)
    assert 'name="also"' not in check_page(books_client, choose(FRIDAY))


def test_what_is_recorded_for_a_brother_is_what_was_said(choose, meals, brother, books_client):
    draft = choose(THURSDAY, FRIDAY)
    books_client.post(reverse("reservations:validation", args=[draft.pk]), {"also": [brother.pk]})
    page = recording_page(books_client, draft)
    assert page.count("<dd>9,80 €</dd>") == 2
    assert "Total estimé des jours à réserver : <strong>19,60 €</strong>" in page
    thanks = said(books_client.post(reverse("reservations:recording", args=[draft.pk]), follow=True))
    assert "C'est enregistré : Lina et Hugo, 2 jours chacun." in thanks
    assert thanks.count("message--success") == 1


def test_the_letter_says_what_the_pages_said_late_days_included(
    choose, meals, canteen, books_client, mailoutbox, django_capture_on_commit_callbacks
):
    late_on_request(canteen)
    draft = choose(TUESDAY, THURSDAY)
    assert "Total estimé des jours à réserver : <strong>10,80 €</strong>" in check_page(books_client, draft)
    with django_capture_on_commit_callbacks(execute=True):
        books_client.post(reverse("reservations:recording", args=[draft.pk]))
    (letter,) = mailoutbox
    body = letter.body.replace("\N{NO-BREAK SPACE}", " ")
    assert "Montant estimé : 10,80 €, dont 1,00 € de supplément hors délai" in body
    assert "hors délai, + 1,00 € par jour (1 jour)" in body


def test_late_days_that_a_month_forgives_cost_nothing_more_in_the_letter(
    choose, meals, canteen, books_client, mailoutbox, django_capture_on_commit_callbacks
):
    canteen.activity.deadlines.filter(action="book").update(
        late="accept", surcharge="add", surcharge_amount=1, free_late_a_month=1
    )
    canteen.rule.number = 30  # days before: all of November is late
    canteen.rule.save()
    draft = choose(THURSDAY, FRIDAY)
    with django_capture_on_commit_callbacks(execute=True):
        books_client.post(reverse("reservations:recording", args=[draft.pk]))
    body = mailoutbox[0].body.replace("\N{NO-BREAK SPACE}", " ")
    assert "Montant estimé : 10,80 €, dont 1,00 € de supplément hors délai" in body


def test_different_days_are_said_child_by_child(choose, brother, books_client):
    first = choose(THURSDAY, FRIDAY)
    second = choose(FRIDAY, enrolment=brother)
    Reservation.objects.filter(pk=second.pk).update(companion_of=first)
    thanks = said(books_client.post(reverse("reservations:recording", args=[first.pk]), follow=True))
    assert "C'est enregistré : Lina, 2 jours ; Hugo, 1 jour." in thanks


@pytest.mark.parametrize("number", [1, 10])
def test_checking_one_day_or_ten_asks_as_much(
    choose, meals, books_client, number, django_assert_max_num_queries
):
    draft = choose(*weekdays_between(date(2026, 11, 16), date(2026, 11, 27))[:number])
    check_page(books_client, draft)  # the town and its tariffs are kept half a minute
    with django_assert_max_num_queries(12):
        check_page(books_client, draft)
    with django_assert_max_num_queries(12):
        recording_page(books_client, draft)


# Until when, and whose --------------------------------------------------------------------------------------


def test_recording_says_until_when_each_day_can_be_cancelled(choose, books_client):
    assert "Annulation possible :</strong> jusqu'au mardi 10 novembre à 10 h." in recording_page(
        books_client, choose(THURSDAY)
    )
    page = recording_page(books_client, choose(THURSDAY, FRIDAY))
    assert "le premier jour (jeudi 12 novembre) jusqu'au mardi 10 novembre à 10 h" in page
    assert "le dernier (vendredi 13 novembre) jusqu'au mercredi 11 novembre à 10 h." in page


def test_a_day_too_late_to_be_cancelled_says_so_before_it_is_recorded(choose, canteen, books_client):
    late_on_request(canteen)
    page = recording_page(books_client, choose(TUESDAY))
    assert "Mardi 10 novembre ne pourra pas être annulé dans les délais." in page


def test_what_another_guardian_began_says_whose_it_is(choose, books, books_client):
    other = UserFactory(username="conjoint", first_name="Sacha", last_name="Roux")
    GuardianFactory(household=books.household, user=other)
    draft = choose(THURSDAY)
    whose = f"commencée par {books.user.get_full_name()}"
    theirs = logged_in(other)
    assert whose in check_page(theirs, draft)
    assert whose in said(theirs.get(reverse("reservations:abandon", args=[draft.pk])))
    assert whose not in check_page(books_client, draft)


# Many days to cancel ----------------------------------------------------------------------------------------


@pytest.fixture
def cancelling(books, canteen) -> str:
    return reverse(
        "reservations:cancel_days", args=[books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk]
    )


@pytest.fixture
def booked(choose, books, now) -> list[date]:
    days = weekdays_between(date(2026, 11, 16), date(2026, 11, 27))
    booking.submit(choose(*days), by=books.user, at=now)
    return days


def values(canteen, *days: date) -> list[str]:
    return [f"{canteen.formula.pk}:{day}" for day in days]


def test_many_days_are_ticked_and_asked_about_once(booked, cancelling, canteen, meals, books_client):
    page = said(books_client.get(cancelling))
    assert page.count('type="checkbox" name="cancel"') == 10
    assert "jusqu'au 14/11 à 10 h" in page
    answer = books_client.post(
        cancelling, {"version": "", "cancel": values(canteen, *booked[:3])}, follow=True
    )
    draft = Reservation.objects.drafts().get()
    assert answer.redirect_chain[-1][0] == reverse("reservations:validation", args=[draft.pk])
    assert "lun. 16, mar. 17 et mer. 18 novembre 2026.</strong> Ils ne seront pas facturés." in said(answer)
    books_client.post(reverse("reservations:recording", args=[draft.pk]))
    assert Booking.objects.filter(state=BookingState.CANCELLED).count() == 3


def test_a_cancellation_that_the_town_hall_answers_says_what_stays_billed(
    booked, cancelling, canteen, books_client
):
    Activity.objects.update(cancel_processing=Activity.Processing.ON_REQUEST)
    posted = {"version": "", "cancel": values(canteen, booked[0])}
    page = said(books_client.post(cancelling, posted, follow=True))
    assert (
        "C'est une demande : ce jour reste réservé, et facturé, tant que la mairie ne l'a pas acceptée."
        in page
    )


def test_a_day_too_late_cannot_be_ticked_and_says_that_it_is_billed(
    booked, cancelling, canteen, books, books_client, time_machine
):
    time_machine.move_to(paris(2026, 11, 16, 8), tick=False)
    books_client.force_login(books.user)
    page = said(books_client.get(cancelling))
    assert page.count('type="checkbox" name="cancel"') == 8
    assert "Lundi 16 novembre et mardi 17 novembre :</strong> trop tard pour annuler en ligne" in page
    answer = said(
        books_client.post(cancelling, {"version": "", "cancel": values(canteen, booked[0])}, follow=True)
    )
    assert "Lundi 16 novembre : annulation close depuis" in answer
    assert not Reservation.objects.drafts().exists()


def test_a_month_is_ticked_and_unticked_without_javascript(booked, cancelling, canteen, books_client):
    page = books_client.post(cancelling, {"version": "", "do": "all:2026-11"}, follow=True)
    assert ReservationLine.objects.filter(action=Action.CANCEL).count() == 10
    assert "Tout décocher" in said(page)
    version = Reservation.objects.drafts().get().touched_at.isoformat()
    books_client.post(
        cancelling, {"version": version, "cancel": values(canteen, *booked), "do": "none:2026-11"}
    )
    assert not Reservation.objects.drafts().exists()


def test_days_chosen_to_be_booked_stay_in_the_draft(booked, choose, cancelling, canteen, books_client):
    draft = choose(DECEMBER)
    books_client.post(
        cancelling, {"version": draft.touched_at.isoformat(), "cancel": values(canteen, booked[0])}
    )
    assert set(draft.lines.values_list("day", "action")) == {(DECEMBER, "book"), (booked[0], "cancel")}


def test_a_second_tab_loses_none_of_the_first_one_s_ticks(booked, choose, cancelling, canteen, books_client):
    choose(cancel=[booked[1]])
    books_client.post(cancelling, {"version": "", "cancel": values(canteen, booked[0])})
    assert set(ReservationLine.objects.filter(action="cancel", outcome="").values_list("day", flat=True)) == {
        booked[0],
        booked[1],
    }


def test_nothing_ticked_and_nonsense_are_answered_with_a_sentence(booked, cancelling, books_client):
    assert "Cochez au moins un jour à annuler." in said(
        books_client.post(cancelling, {"version": ""}, follow=True)
    )
    answer = books_client.post(
        cancelling, {"version": "x", "cancel": ["x", "9:2026-13-40"], "do": "all:x"}, follow=True
    )
    assert answer.status_code == 200
    assert not Reservation.objects.drafts().exists()


def test_strangers_and_other_places_find_nothing(
    booked, cancelling, stranger_client, books_client, books, canteen
):
    assert stranger_client.get(cancelling).status_code == 404
    assert stranger_client.post(cancelling, {"cancel": values(canteen, booked[0])}).status_code == 404
    elsewhere = reverse("reservations:cancel_days", args=[books.enrolment.pk, 9999, canteen.period.pk])
    assert books_client.get(elsewhere).status_code == 404


def test_nothing_booked_says_so(cancelling, books_client):
    assert "il n'y a rien à annuler" in said(books_client.get(cancelling))


def test_ticks_of_a_session_that_expired_are_shown_again(booked, cancelling, canteen, client, books):
    client.post(cancelling, {"version": "", "cancel": values(canteen, booked[0])})
    client.force_login(books.user)
    assert said(client.get(cancelling)).count(" checked") == 1
    assert not Reservation.objects.drafts().exists()


def test_one_booked_day_or_ten_are_read_alike(
    booked, cancelling, books_client, django_assert_max_num_queries
):
    with django_assert_max_num_queries(12):
        books_client.get(cancelling)


# Pure -------------------------------------------------------------------------------------------------------


def test_days_without_a_price_are_only_counted():
    lines = [PricedLine(ReservationLine(day=day)) for day in (THURSDAY, FRIDAY)]
    assert checking._counting(lines) == "2 jours"
