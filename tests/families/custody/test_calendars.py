"""Custody calendars: proposed by a home, answered by the other or the town hall, followed by pages."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.core import mail
from django.urls import reverse

from families.custody import calendars, ending
from families.custody.calendars import CalendarRefused, Terms
from families.custody.ending import Ending, Future
from families.custody.own import OwnHousehold
from families.custody.whose_days import WhoseDays
from families.models import AlreadyAnswered, Child, Custody, CustodyCalendar, Guardian
from tests.conftest import NOW, Family
from tests.factories import HouseholdFactory

State = CustodyCalendar.State
FRIDAY = 4
# The evening of Friday 13 November begins an even week (46), that of the 20th an odd one.
THEIR_WEDNESDAY, OWN_WEDNESDAY = date(2026, 11, 25), date(2026, 11, 18)


@pytest.fixture
def mother(books: Family) -> Family:
    return books


def even_weeks(mother: Family, father: Family, **more) -> Terms:
    """Even weeks at the mother's, from Friday evening to Friday evening."""
    return Terms(mother.household.pk, father.household.pk, FRIDAY, **more)


def propose(mother: Family, father: Family, **more) -> CustodyCalendar:
    terms = even_weeks(mother, father, **more)
    return calendars.propose(mother.child, terms, home=mother.household, by=mother.user, at=NOW)


def followed(who: Family) -> bool:
    return Child.objects.get(pk=who.child.pk).custody_calendar_id is not None


def is_others(who: Family, day: date) -> bool:
    child = Child.objects.get(pk=who.child.pk)
    return WhoseDays.load([child], day, day).is_others(child.pk, who.household.pk, day)


@pytest.fixture
def agreed(mother, father) -> CustodyCalendar:
    return calendars.confirm(propose(mother, father), by=father.user, at=NOW)


def test_what_a_home_proposes_counts_once_the_other_has_confirmed(mother, father, commit):
    with commit():
        asked = propose(mother, father)
    assert [one.to for one in mail.outbox] == [[father.user.email]]
    assert not followed(mother)
    with pytest.raises(CalendarRefused):
        calendars.confirm(asked, by=mother.user, at=NOW)
    mail.outbox.clear()
    with commit():
        calendars.confirm(asked, by=father.user, at=NOW)
    assert sorted(to for one in mail.outbox for to in one.to) == sorted(
        [mother.user.email, father.user.email]
    )
    assert followed(mother)
    assert [is_others(mother, day) for day in (OWN_WEDNESDAY, THEIR_WEDNESDAY)] == [False, True]
    assert [is_others(father, day) for day in (OWN_WEDNESDAY, THEIR_WEDNESDAY)] == [True, False]
    with pytest.raises(AlreadyAnswered):
        calendars.refuse(asked, by=father.user, at=NOW)


def test_a_refusal_leaves_what_counted_before(mother, father, agreed):
    other = propose(mother, father, dates=[(THEIR_WEDNESDAY, THEIR_WEDNESDAY, mother.household.pk)])
    calendars.refuse(other, by=father.user, at=NOW)
    assert is_others(mother, THEIR_WEDNESDAY)


def test_the_town_hall_confirms_or_writes_it_itself(mother, father, agent):
    calendars.confirm(propose(mother, father), by=agent, at=NOW)
    assert followed(mother)
    waiting = propose(mother, father)
    by_hand = [(OWN_WEDNESDAY, OWN_WEDNESDAY, father.household.pk)]
    calendars.write(mother.child, even_weeks(mother, father, dates=by_hand), by=agent, at=NOW)
    waiting.refresh_from_db()
    assert waiting.state == State.WITHDRAWN
    assert is_others(mother, OWN_WEDNESDAY)
    with pytest.raises(CalendarRefused, match="La mairie a écrit"):
        calendars.stop(mother.child, by=mother.user, at=NOW)


def test_an_agent_never_decides_about_the_own_household(mother, father, agent):
    asked = propose(mother, father)
    Guardian.objects.filter(household=mother.household).update(user=agent)
    with pytest.raises(OwnHousehold):
        calendars.confirm(asked, by=agent, at=NOW)


def test_either_home_ends_what_both_agreed_upon(mother, father, agreed):
    calendars.stop(father.child, by=father.user, at=NOW)
    assert not followed(mother)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda mine, other, third: Terms(mine, third, FRIDAY),
        lambda mine, other, third: Terms(mine, other, FRIDAY, first_half=third),
        lambda mine, other, third: Terms(mine, other, FRIDAY, dates=[(NOW.date(), NOW.date(), third)]),
        lambda mine, other, third: Terms(
            mine,
            other,
            FRIDAY,
            dates=[(NOW.date(), OWN_WEDNESDAY, mine), (OWN_WEDNESDAY, OWN_WEDNESDAY, other)],
        ),
    ],
    ids=["a third home", "holidays there", "dates there", "dates that overlap"],
)
def test_terms_name_the_two_homes_and_give_each_day_once(mother, father, wrong):
    terms = wrong(mother.household.pk, father.household.pk, HouseholdFactory().pk)
    with pytest.raises(CalendarRefused):
        calendars.propose(mother.child, terms, home=mother.household, by=mother.user, at=NOW)


def test_two_homes_do_not_propose_over_each_other(mother, father):
    propose(mother, father)
    with pytest.raises(CalendarRefused, match="répondez-lui d'abord"):
        propose(father, mother)
    again = propose(mother, father)
    assert CustodyCalendar.objects.waiting().get() == again


def test_a_child_that_leaves_a_home_has_no_calendar_any_more(mother, father, agreed, agent):
    waiting = propose(mother, father)
    custody = Custody.objects.get(child=father.child, household=father.household)
    ending.end(custody, Ending(NOW.date(), Future.CANCEL), by=agent, at=NOW)
    waiting.refresh_from_db()
    assert (followed(mother), waiting.state) == (False, State.WITHDRAWN)


def test_of_a_custody_that_ends_later_its_calendar_ends_with_it(mother, father, agreed, agent):
    custody = Custody.objects.get(child=father.child, household=father.household)
    until = THEIR_WEDNESDAY + timedelta(days=1)
    ending.end(custody, Ending(until, Future.KEEP), by=agent, at=NOW)
    assert [is_others(mother, day) for day in (THEIR_WEDNESDAY, until)] == [True, False]


def test_a_child_without_a_calendar_asks_nothing(mother, agreed, django_assert_num_queries):
    calendars.stop(mother.child, by=mother.user, at=NOW)
    child = Child.objects.get(pk=mother.child.pk)
    with django_assert_num_queries(0):
        days = WhoseDays.load([child] * 3, NOW.date(), THEIR_WEDNESDAY)
        assert not days.is_others(child.pk, mother.household.pk, THEIR_WEDNESDAY)


def test_calendars_of_many_children_cost_two_queries(
    mother, father, agreed, canteen, django_assert_num_queries
):
    halves = propose(mother, father, first_half=mother.household.pk)
    calendars.confirm(halves, by=father.user, at=NOW)
    child = Child.objects.get(pk=mother.child.pk)
    christmas = date(2026, 12, 19), date(2027, 1, 3)
    with django_assert_num_queries(2):
        days = WhoseDays.load([child] * 10, *christmas)
    assert not days.is_others(child.pk, mother.household.pk, date(2026, 12, 26))
    assert days.is_others(child.pk, mother.household.pk, date(2026, 12, 27))


# The pages ------------------------------------------------------------------------------------------------


def address(who: Family) -> str:
    return reverse("families:custody_calendar", args=[who.child.pk])


def typed(who: Family, *dates: tuple[str, str, int], **more) -> dict:
    lines = {"dates-TOTAL_FORMS": len(dates), "dates-INITIAL_FORMS": 0}
    for number, (first, last, home) in enumerate(dates):
        lines |= {f"dates-{number}-starts_on": first, f"dates-{number}-ends_on": last}
        lines |= {f"dates-{number}-home": home}
    return {"do": "propose", "even": who.household.pk, "weekday": 4, "moment": "evening"} | lines | more


def test_one_home_proposes_on_its_page_and_the_other_answers_on_its_own(mother, father):
    by_hand = ("2026-11-25", "2026-11-25", mother.household.pk)
    page = mother.client().post(address(mother), typed(mother, by_hand), follow=True)
    assert "attend une réponse" in page.text
    assert "Un calendrier de garde à confirmer" in father.client().get("/").text
    assert "Un calendrier de garde à confirmer" not in mother.client().get("/").text
    page = father.client().get(address(father))
    assert "Du 14 au 20 novembre : <strong>dans l&#x27;autre foyer" in page.text
    assert "foyer n°" not in page.text and "Roux</strong>" not in page.text
    father.client().post(address(father), {"do": "confirm"})
    assert "Le calendrier suivi" in mother.client().get(address(mother)).text
    assert not is_others(mother, THEIR_WEDNESDAY)
    assert is_others(mother, THEIR_WEDNESDAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"even": "999"}, "even"),
        ({"weekday": "9"}, "weekday"),
        ({"dates-TOTAL_FORMS": "1", "dates-0-starts_on": "2026-11-25"}, "indiquez le premier jour"),
        ({"dates-TOTAL_FORMS": "900"}, "40"),
        ({"dates-TOTAL_FORMS": "x"}, ""),
    ],
)
def test_what_is_wrong_is_said_and_nothing_kept(mother, father, given, said):
    page = mother.client().post(address(mother), typed(mother) | given)
    assert page.status_code == 200 and said in page.text
    assert not CustodyCalendar.objects.exists()


def test_it_is_for_the_two_homes_of_the_child_alone(mother, father, stranger):
    assert stranger.client().get(address(mother)).status_code == 404
    Custody.objects.filter(household=father.household).update(until=NOW.date())
    assert mother.client().get(address(mother)).status_code == 404
    assert father.client().get(address(mother)).status_code == 404


def test_the_desk_writes_it_and_answers_what_waits(mother, father, agent_client):
    child = reverse("admin:families_child_change", args=[mother.child.pk])
    page = reverse("admin:families_custodycalendar_write", args=[mother.child.pk])
    assert page in agent_client.get(child).text
    agent_client.post(page, typed(mother))
    assert is_others(mother, THEIR_WEDNESDAY)
    agent_client.post(page, {"stop": "1"})
    assert not followed(mother)
    asked = propose(mother, father)
    queues = {
        one["title"]: one["count"] for one in agent_client.get(reverse("admin:index")).context["queues"]
    }
    assert queues["Calendriers de garde proposés"] == 1
    listed = reverse("admin:families_custodycalendar_changelist")
    agent_client.post(listed, {"action": "confirm_selected", "_selected_action": [asked.pk]})
    assert followed(mother)


@pytest.fixture
def third(mother, stranger) -> Callable[[], Family]:
    """The child lives with the Morels too by now."""

    def comes() -> Family:
        Custody.objects.create(child=mother.child, household=stranger.household)
        return Family(stranger.household, stranger.guardian, stranger.user, mother.child)

    return comes


def test_of_three_homes_none_gets_a_calendar_and_each_reads_why(mother, father, third, agent_client):
    third = third()
    for who in (mother, father, third):
        page = who.client().get(address(mother))
        assert "vit dans 3 foyers" in page.text and "Envoyer la proposition" not in page.text
        refused = who.client().post(address(mother), typed(mother), follow=True)
        assert "se partage entre deux foyers" in refused.text and not CustodyCalendar.objects.exists()
    desk = reverse("admin:families_custodycalendar_write", args=[mother.child.pk])
    assert "vit dans 3 foyers" in agent_client.get(desk, follow=True).text


def test_what_two_homes_agreed_upon_goes_on_when_a_third_comes_and_is_theirs_to_end(
    mother, father, third, agreed, agent
):
    third = third()
    assert [is_others(who, THEIR_WEDNESDAY) for who in (mother, father, third)] == [True, False, False]
    assert "Le calendrier suivi" not in third.client().get(address(mother)).text
    third.client().post(address(mother), {"do": "stop"})
    assert followed(mother)
    assert "Ne plus suivre ce calendrier" in mother.client().get(address(mother)).text
    mother.client().post(address(mother), {"do": "stop"})
    assert not followed(mother)


def test_what_the_town_hall_wrote_before_a_third_home_came_is_ended_at_the_desk(
    mother, father, third, agent, agent_client
):
    calendars.write(mother.child, even_weeks(mother, father), by=agent, at=NOW)
    third()
    desk = reverse("admin:families_custodycalendar_write", args=[mother.child.pk])
    assert desk in agent_client.get(reverse("admin:families_child_change", args=[mother.child.pk])).text
    page = agent_client.get(desk).text
    assert "vit dans 3 foyers" in page and "Enregistrer et prévenir" not in page
    assert "se partage entre deux" in agent_client.post(desk, typed(mother), follow=True).text
    agent_client.post(desk, {"stop": "1"})
    assert not followed(mother)


def test_a_child_of_one_home_has_no_page_at_the_desk(mother, agent_client):
    page = reverse("admin:families_custodycalendar_write", args=[mother.child.pk])
    assert agent_client.get(page).status_code == 302
    assert page not in agent_client.get(reverse("admin:families_child_change", args=[mother.child.pk])).text
