"""The round of reminders: one mail an evening, once of each thing, for who wants it, late but never twice."""

from datetime import date, timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from families.custody import calendars
from families.custody.calendars import Terms
from families.models import Child, Guardian, Household, Letter, Reminder, ReminderChoice, ReminderRound
from families.reminders import choices, kinds, rounds
from portal import open_to_public
from portal.reservations.models import Enrolment
from tests.conftest import EVENING, Family, other_home_of
from tests.factories import (
    BookingFactory,
    ChangeRequestFactory,
    ChildFactory,
    EnrolmentFactory,
    GuardianFactory,
    HouseholdFactory,
    QuotientFactory,
    paris,
)

ALL = [kind.code for kind in kinds.all_kinds()]


def test_a_usual_day_that_nobody_booked_is_said_the_evening_before_its_deadline(books: Family, round_at):
    (letter,) = round_at()
    assert letter.to == [books.user.email]
    assert letter.subject == "Jours habituels à réserver bientôt"
    assert (
        "Lina, Restauration scolaire : jeudi 12 novembre, jusqu'au mardi 10 novembre à 10\N{NO-BREAK SPACE}h."
        in letter.body
    )
    assert "vendredi 13 novembre, jusqu'au mercredi 11 novembre à 10\N{NO-BREAK SPACE}h" in letter.body
    assert "mardi 10 novembre," not in letter.body, "too late already"
    assert f"/cantine/planning/{books.enrolment.pk}/" in letter.body
    assert Letter.objects.get().guardian == books.guardian


def test_nobody_is_reminded_of_a_portal_that_is_closed_and_it_is_said_once_open(
    books: Family, round_at, chief
):
    open_to_public.close(chief)
    assert round_at() == [] and not ReminderRound.objects.exists()
    open_to_public.open_up(chief)
    (letter,) = round_at()
    assert "jeudi 12 novembre" in letter.body


def test_of_a_child_in_two_homes_the_one_is_reminded_whose_day_it_is(books: Family, now, round_at):
    other = other_home_of(books)
    Enrolment.objects.filter(pk=other.enrolment.pk).update(weekdays=0b11111)
    terms = Terms(books.household.pk, other.household.pk, weekday=4)
    asked = calendars.propose(books.child, terms, home=books.household, by=books.user, at=now)
    calendars.confirm(asked, by=other.user, at=now)
    (letter,) = [one for one in round_at() if one.subject == "Jours habituels à réserver bientôt"]
    assert letter.to == [other.user.email] and "jeudi 12 novembre" in letter.body


def test_not_one_that_is_booked_nor_one_that_the_family_gave_up(books: Family, round_at):
    for day, state in ((12, "accepted"), (13, "cancelled")):
        BookingFactory(enrolment=books.enrolment, day=date(2026, 11, day), state=state)
    assert round_at() == [], "nothing else ends before the next evening"
    (letter,) = round_at(EVENING + timedelta(days=4))
    assert "jeudi 12" not in letter.body and "vendredi 13" not in letter.body


def test_done_twice_nothing_leaves_twice(books: Family, round_at):
    assert len(round_at()) == 1
    assert round_at() == []
    assert round_at(EVENING + timedelta(hours=1)) == []
    assert ReminderRound.objects.count() == 1


def test_an_evening_that_was_missed_is_caught_up_in_the_morning_and_not_at_night(books: Family, round_at):
    for hour in (21, 23):
        assert round_at(paris(2026, 11, 9, hour)) == []
    assert round_at(paris(2026, 11, 10, 6)) == []
    (letter,) = round_at(paris(2026, 11, 10, 7))
    assert "jeudi 12 novembre" in letter.body
    assert Reminder.objects.values_list("evening", flat=True).first() == date(2026, 11, 9)
    assert round_at(paris(2026, 11, 10, 8)) == []


def test_too_late_a_round_says_nothing_of_what_is_over(books: Family, round_at):
    assert round_at(paris(2026, 11, 10, 11)) == [], "the next evening is soon enough for the others"
    (letter,) = round_at(paris(2026, 11, 10, 18))
    assert "jeudi 12" not in letter.body and "vendredi 13 novembre" in letter.body


def test_several_things_are_one_mail(books: Family, round_at):
    QuotientFactory(household=books.household, valid_from=date(2026, 1, 1), valid_to=date(2026, 12, 1))
    (letter,) = round_at()
    assert letter.subject == "Vos rappels de ce soir"
    assert "Votre quotient familial est valable jusqu'au mardi 1er décembre 2026." in letter.body
    assert "jeudi 12 novembre" in letter.body
    assert {row.kind for row in Reminder.objects.all()} == {"usual", "quotient"}


def test_a_quotient_is_said_four_weeks_before_and_once_more_in_the_last(books: Family, round_at):
    choices.choose(books.guardian, ["quotient"], at=EVENING)
    QuotientFactory(household=books.household, valid_from=date(2026, 1, 1), valid_to=date(2026, 12, 20))
    said = [day for day in range(45) if round_at(EVENING + timedelta(days=day))]
    assert said == [13, 34]


def test_not_one_that_another_follows_or_that_waits_for_an_answer(books: Family, round_at):
    choices.choose(books.guardian, ["quotient"], at=EVENING)
    QuotientFactory(household=books.household, valid_from=date(2026, 1, 1), valid_to=date(2026, 11, 20))
    asked = ChangeRequestFactory(
        household=books.household, kind="quotient", quotient=500, valid_from=date(2026, 11, 21)
    )
    assert round_at() == []
    asked.delete()
    QuotientFactory(household=books.household, valid_from=date(2026, 11, 21))
    assert round_at() == []


def test_who_has_no_usual_days_hears_nothing_until_they_ask(books: Family, stranger: Family, round_at):
    QuotientFactory(household=stranger.household, valid_from=date(2026, 1, 1), valid_to=date(2026, 11, 20))
    assert [letter.to for letter in round_at()] == [[books.user.email]]
    choices.choose(stranger.guardian, ["quotient"], at=EVENING)
    assert [letter.to for letter in round_at()] == [[stranger.user.email]]


def test_each_guardian_chooses_for_themselves(books: Family, round_at):
    other = GuardianFactory(household=books.household, first_name="Dominique")
    choices.choose(books.guardian, [], at=EVENING)
    assert [letter.to for letter in round_at()] == [[other.user.email]]


def test_nothing_of_a_child_that_lives_elsewhere_now(books: Family, round_at):
    books.child.custodies.update(until=date(2026, 11, 9))
    assert round_at() == []


def test_a_closed_login_and_a_household_that_waits_hear_nothing(books: Family, round_at):
    Household.objects.update(state="requested")
    assert round_at() == []
    Household.objects.update(state="accepted")
    type(books.user).objects.filter(pk=books.user.pk).update(is_active=False)
    assert round_at() == []


# Chosen, and stopped ----------------------------------------------------------------------------------


def test_the_page_has_each_kind_ticked_for_who_has_usual_days(books: Family, stranger: Family):
    page = books.client().get("/mes-rappels/").content.decode()
    assert page.count("checked") == len(ALL) - 2 == 4, (
        "of papers and texts, where the town asks for none, nothing"
    )
    assert "checked" not in stranger.client().get("/mes-rappels/").content.decode()


def test_what_is_chosen_counts(books: Family, round_at):
    client = books.client()
    answer = client.post("/mes-rappels/", {"kind": ["quotient", "nonsense"]}, follow=True)
    assert "Vos rappels sont enregistrés." in answer.content.decode()
    assert answer.content.decode().count("checked") == 1
    assert not ReminderChoice.objects.filter(kind="nonsense").exists()
    assert round_at() == []


def test_who_is_no_guardian_has_no_such_page(agent_client: Client):
    assert agent_client.get("/mes-rappels/").url == "/"


def test_a_mail_says_how_to_stop_and_following_the_link_stops_nothing(books: Family, round_at):
    (letter,) = round_at()
    address = letter.extra_headers["List-Unsubscribe"].strip("<>")
    assert address in letter.body and letter.extra_headers["List-Unsubscribe-Post"]
    path = address.partition("8000")[2] or "/" + address.split("/", 3)[3]
    anonymous = Client(enforce_csrf_checks=True)
    for ask in (anonymous.get, anonymous.head):
        assert ask(path).status_code == 200
    assert not ReminderChoice.objects.exists()
    page = anonymous.get(path).content.decode()
    assert "Arrêter tous les rappels" in page and "Roux" not in page and "Lina" not in page
    assert "sont arrêtés" in anonymous.post(path, {"List-Unsubscribe": "One-Click"}).content.decode()
    assert round_at(EVENING + timedelta(days=7)) == []
    assert choices.wanted([books.guardian]) == set()


@pytest.mark.parametrize("token", ["x", "1", "Mg:1vH:abc"])
def test_nobodys_link_stops_nothing(db, town, token):
    assert Client().post(f"/mes-rappels/arreter/{token}/").status_code == 404
    assert not ReminderChoice.objects.exists()


def test_the_link_stops_reminders_and_opens_nothing_else(books: Family):
    path = f"/mes-rappels/arreter/{choices.token(books.guardian)}/"
    client = Client()
    client.post(path)
    assert client.get("/").status_code == 302, "nobody is logged in"
    Guardian.objects.all().delete()
    assert client.get(path).status_code == 404


# How much it costs ------------------------------------------------------------------------------------


def homes(number: int, books: Family) -> None:
    """So many more, like the one that books."""
    for _ in range(number):
        home = HouseholdFactory()
        GuardianFactory(household=home)
        child = ChildFactory(first_name="Ana", households=[home])
        EnrolmentFactory(
            household=home,
            child=child,
            activity=books.enrolment.activity,
            establishment=books.enrolment.establishment,
            school_year=books.enrolment.school_year,
        )
        QuotientFactory(household=home, valid_from=date(2026, 1, 1), valid_to=date(2026, 11, 20))


def count(at) -> int:
    with CaptureQueriesContext(connection) as captured:
        rounds.remind(at=at)
    return len(captured)


def test_a_chunk_takes_the_same_queries_for_one_and_for_a_hundred(books: Family):
    # What leaves after the commit is the queue's: one row a mail.
    counts = []
    homes(1, books)
    counts.append(count(EVENING))
    homes(97, books)
    Reminder.objects.all().delete()
    counts.append(count(EVENING))
    assert Household.objects.count() == 99 and Letter.objects.count() == 101
    batches = counts[1] - counts[0]
    assert batches <= 3, counts  # SQLite takes 999 values a query
    assert Child.objects.count() == Enrolment.objects.count()


def test_the_command_says_how_many_left(books: Family, capsys):
    with time_machine.travel(EVENING, tick=False):
        call_command("remind")
        call_command("remind")
    assert capsys.readouterr().out == "1 rappel envoyé.\n0 rappel envoyé.\n"
