"""Who comes first where places are short: the town's own criteria, read of each child, in their order."""

from dataclasses import replace
from datetime import date, timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as some

from families import groups
from families.models import Household, Reading
from leisure import answering, priorities
from leisure.criteria import Asking, Kind, OwnOrder, RequestOrder, ranked
from leisure.models import ActivityCriterion, PriorityFact, PriorityStreet
from portal.reservations.models import ReservationLine, Slot
from tests.conftest import family, logged_in
from tests.factories import ActivityFactory, EnrolmentFactory, GuardianFactory, paris
from tests.leisure.desk_cast import MONDAY, TUESDAY, asks_for, camp

__all__ = ["asks_for", "camp"]

PAGE = reverse("admin:leisure_requests")
MORNING = paris(2026, 11, 9, 8)
# By arrival 1, 2, 3: the later one asks, the more speaks for it.
FIRST = Asking(1, MORNING)
SECOND = replace(FIRST, line_id=2, arrived=MORNING + timedelta(hours=1))
THIRD = replace(FIRST, line_id=3, arrived=MORNING + timedelta(hours=2))


def order(*kinds):
    return OwnOrder(kinds)


def first(*asking, by):
    return [one.asking.line_id for one in ranked(asking, order(*by))]


# The criteria themselves ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "known", "words"),
    [
        (Kind.WHOLE_WEEKS, {"in_whole_week": True, "whole_weeks": 2}, "2 semaines entières"),
        (Kind.DISTRICT, {"district": True}, "quartier prioritaire"),
        (Kind.REGULAR, {"regular": True}, "inscrit à l'année"),
        (Kind.WORK, {"works": True, "proved": True}, "parents qui travaillent"),
        (Kind.WORK, {"works": True}, "parents qui travaillent (déclaré)"),
        (Kind.DISABILITY, {"disability": True}, "handicap"),
        (Kind.SIBLING, {"sibling": True}, "fratrie accueillie"),
    ],
)
def test_each_criterion_puts_first_whom_it_names_and_says_why(kind, known, words):
    favoured = replace(THIRD, **known)
    found = ranked([FIRST, SECOND, favoured], order(kind))
    assert [one.asking.line_id for one in found] == [3, 1, 2]
    assert found[0].why == words


def test_mail_and_desk_come_last():
    by_post = replace(FIRST, by_itself=False)
    found = ranked([by_post, SECOND], order(Kind.PORTAL))
    assert [(one.asking.line_id, one.why) for one in found] == [
        (2, ""),
        (1, "reçue par courrier ou au guichet"),
    ]


def test_what_is_proved_comes_before_what_is_declared():
    declared, proved = replace(FIRST, works=True), replace(SECOND, works=True, proved=True)
    assert first(declared, proved, THIRD, by=[Kind.WORK]) == [2, 1, 3]


def test_the_first_criterion_counts_before_the_second():
    week, near = replace(SECOND, in_whole_week=True, whole_weeks=2), replace(FIRST, district=True)
    both = replace(THIRD, in_whole_week=True, whole_weeks=2, district=True)
    assert first(near, week, both, by=[Kind.WHOLE_WEEKS, Kind.DISTRICT]) == [3, 2, 1]
    assert first(near, week, both, by=[Kind.DISTRICT, Kind.WHOLE_WEEKS]) == [3, 1, 2]
    told = ranked([both], order(Kind.WHOLE_WEEKS, Kind.DISTRICT))[0].why
    assert told == "2 semaines entières, quartier prioritaire"


def test_health_is_not_said_to_who_has_no_right_to_it():
    found = ranked([replace(FIRST, disability=True)], order(Kind.DISABILITY, Kind.RESIDENT))[0]
    assert (found.why, found.guarded) == ("handicap, commune", "priorité de la mairie, commune")


def test_an_own_order_is_explained():
    assert order(Kind.WHOLE_WEEKS, Kind.REGULAR).explanation == (
        "D'abord les semaines entières, puis les enfants inscrits toute l'année à une autre activité. "
        "À égalité, l'ordre d'arrivée."
    )


ASKED = some.builds(
    Asking,
    line_id=some.integers(1, 10**6),
    arrived=some.integers(0, 500).map(lambda minutes: MORNING + timedelta(minutes=minutes)),
    resident=some.booleans(),
    sibling=some.booleans(),
    in_whole_week=some.booleans(),
    district=some.booleans(),
    regular=some.booleans(),
    works=some.booleans(),
    proved=some.booleans(),
    disability=some.booleans(),
    by_itself=some.booleans(),
)


@given(
    some.lists(ASKED, max_size=12, unique_by=lambda one: one.line_id),
    some.lists(some.sampled_from(list(Kind)), unique=True),
    some.randoms(),
)
def test_any_order_is_total_and_loses_nobody(asked, kinds, random):
    shuffled = list(asked)
    random.shuffle(shuffled)
    assert first(*asked, by=kinds) == first(*shuffled, by=kinds)
    assert sorted(first(*asked, by=kinds)) == sorted(one.line_id for one in asked)


# What is read of each child -------------------------------------------------------------------------------


@pytest.fixture
def ana(camp, asks_for):
    """Asks first, for the Monday."""
    who = family("ana", "Ana", "Alma")
    asks_for(who, MONDAY)
    return who


@pytest.fixture
def bo(camp, asks_for, ana):
    """Asks second, for the Monday and the Tuesday: all the days of that week."""
    who = family("bo", "Bo", "Basile")
    asks_for(who, MONDAY, TUESDAY)
    return who


def rule(camp, *kinds):
    for rank, kind in enumerate(kinds, start=1):
        ActivityCriterion.objects.create(activity=camp.activity, order=rank, kind=kind)
    priorities.forget()
    return OwnOrder(kinds)


def ranks(camp, *kinds, now, day=MONDAY):
    lines = ReservationLine.objects.filter(day=day)
    found = answering.in_order(lines, OwnOrder(kinds), at=now)
    return [(one.line.reservation.child.first_name, one.why) for one in found]


def fact(who, kind, **more):
    said = {"since": date(2026, 9, 1), "noted_at": MORNING} | more
    return PriorityFact.objects.create(household=who.household, kind=kind, **said)


def test_a_whole_week_is_all_the_days_that_the_centre_is_open(ana, bo, camp, now):
    assert ranks(camp, Kind.WHOLE_WEEKS, now=now) == [
        ("Basile", "1 semaine entière"),
        ("Alma", "jours isolés"),
    ]


def test_a_closed_day_is_not_missing_from_a_week(ana, bo, camp, now):
    Slot.objects.filter(day=TUESDAY).update(closed=True)
    assert ranks(camp, Kind.WHOLE_WEEKS, now=now)[0] == ("Alma", "1 semaine entière")


def test_the_district_is_a_street_however_it_is_spelled_a_postcode_or_noted(ana, bo, camp, now):
    Household.objects.filter(pk=ana.household.pk).update(postcode="01000")
    Household.objects.filter(pk=bo.household.pk).update(street="12 bis Rue des ÉRABLES", postcode="01999")
    street = PriorityStreet.objects.create(street="rue des érables", postcode="01999")
    assert ranks(camp, Kind.DISTRICT, now=now)[0] == ("Basile", "quartier prioritaire")
    PriorityStreet.objects.filter(pk=street.pk).update(postcode="01998")
    priorities.forget()
    assert ranks(camp, Kind.DISTRICT, now=now)[0] == ("Alma", "")
    fact(bo, "district")
    assert ranks(camp, Kind.DISTRICT, now=now)[0] == ("Basile", "quartier prioritaire")
    PriorityFact.objects.all().delete()
    PriorityStreet.objects.create(street="", postcode="01999")
    priorities.forget()
    assert ranks(camp, Kind.DISTRICT, now=now)[0] == ("Basile", "quartier prioritaire")


def test_part_of_a_streets_name_is_another_street(ana, bo, camp, now):
    Household.objects.filter(pk=bo.household.pk).update(street="3 rue des Érables-Rouges")
    PriorityStreet.objects.create(street="rue des érable")
    priorities.forget()
    assert ranks(camp, Kind.DISTRICT, now=now)[0] == ("Alma", "")


def test_who_is_enrolled_all_year_elsewhere_comes_before_who_comes_now_and_then(ana, bo, camp, year, now):
    wednesdays = ActivityFactory(code="mercredis", name="Mercredis", service="leisure")
    enrolment = EnrolmentFactory(
        household=bo.household, child=bo.child, activity=wednesdays, school_year=year
    )
    assert ranks(camp, Kind.REGULAR, now=now) == [("Basile", "inscrit à l'année"), ("Alma", "occasionnel")]
    enrolment.ends_on = MONDAY - timedelta(days=1)
    enrolment.save()
    assert ranks(camp, Kind.REGULAR, now=now)[0] == ("Alma", "occasionnel"), "over by then"


def test_a_situation_counts_from_its_day_to_its_day(ana, bo, camp, now):
    one = fact(bo, "work", proved=True)
    assert ranks(camp, Kind.WORK, now=now)[0] == ("Basile", "parents qui travaillent")
    for dates in ({"since": date(2026, 11, 10)}, {"since": date(2026, 9, 1), "until": date(2026, 11, 8)}):
        PriorityFact.objects.filter(pk=one.pk).update(**dates)
        assert ranks(camp, Kind.WORK, now=now)[0] == ("Alma", "")


def test_a_handicap_is_the_childs_not_its_brothers(ana, bo, camp, now):
    fact(bo, "disability", child=bo.child)
    assert ranks(camp, Kind.DISABILITY, now=now)[0] == ("Basile", "handicap")
    PriorityFact.objects.update(child=ana.child)
    assert ranks(camp, Kind.DISABILITY, now=now)[0] == ("Alma", "handicap")


def test_what_the_desk_typed_comes_last(ana, bo, camp, now):
    ana_asked = ReservationLine.objects.get(reservation__child=ana.child).reservation
    ana_asked.at_desk = True
    ana_asked.save()
    assert ranks(camp, Kind.PORTAL, now=now) == [
        ("Basile", ""),
        ("Alma", "reçue par courrier ou au guichet"),
    ]


def test_all_at_once_cost_a_fixed_number_of_queries(ana, bo, camp, asks_for, now):
    def cost():
        with CaptureQueriesContext(connection) as seen:
            answering.in_order(ReservationLine.objects.filter(day=MONDAY), OwnOrder(tuple(Kind)), at=now)
        return len(seen)

    cost()  # what a process keeps is read
    few = cost()
    for number in range(8):
        asks_for(family(f"f{number}", f"Nom{number}", f"E{number}"), MONDAY)
    assert cost() == few


def test_a_criterion_that_is_not_asked_about_reads_nothing(ana, bo, camp, now):
    def cost(order):
        with CaptureQueriesContext(connection) as seen:
            answering.in_order(ReservationLine.objects.filter(day=MONDAY), order, at=now)
        return len(seen)

    assert cost(RequestOrder.ARRIVAL) == cost(OwnOrder((Kind.RESIDENT, Kind.PORTAL))) == 5


# At the desk ------------------------------------------------------------------------------------------------


def test_the_activitys_own_order_is_proposed_first_and_explained(ana, bo, camp, agent_client):
    rule(camp, Kind.WHOLE_WEEKS, Kind.DISTRICT)
    page = unescape(agent_client.get(PAGE).text)
    assert "D'abord les semaines entières, puis les familles du quartier prioritaire." in page
    assert page.index("1 semaine entière") < page.index("jours isolés")
    assert "La première demande reçue" in agent_client.get(PAGE + "?ordre=arrivee").text


def test_without_an_own_order_arrival_counts_as_before(ana, bo, camp, agent_client):
    assert "La première demande reçue" in agent_client.get(PAGE).text
    assert "La première demande reçue" in agent_client.get(PAGE + "?ordre=regle").text


def test_why_each_child_was_given_its_day_is_kept(ana, bo, camp, agent_client):
    rule(camp, Kind.WHOLE_WEEKS)
    ids = list(ReservationLine.objects.filter(day=MONDAY).values_list("pk", flat=True))
    preview = agent_client.post(PAGE, {"ligne": ids, "vers": "apercu"})
    seen = preview.context["fingerprint"]
    agent_client.post(PAGE, {"ligne": ids, "vers": "accepter", "vu": seen})
    (entry,) = LogEntry.objects.all()
    assert entry.change_message == "Jour accepté (règle de l'activité, rang 1 : 1 semaine entière)."
    assert entry.object_id == str(ReservationLine.objects.get(reservation__child=bo.child, day=MONDAY).pk)


def test_a_handicap_is_read_with_the_right_to_health_alone_and_noted(ana, bo, camp, agent, agent_client):
    rule(camp, Kind.DISABILITY)
    fact(bo, "disability", child=bo.child)
    page = agent_client.get(PAGE).text
    assert "handicap<" not in page and "priorité de la mairie" in page
    assert not Reading.objects.filter(kind=Reading.Kind.HEALTH).exists()
    agent.groups.add(Group.objects.get_or_create(name=groups.HEALTH)[0])
    assert ">handicap<" in logged_in(type(agent).objects.get(pk=agent.pk)).get(PAGE).text
    noted = Reading.objects.get(kind=Reading.Kind.HEALTH)
    assert noted.people == 1 and "Basile" in str(noted.concerned.get())


def test_without_the_right_to_health_a_handicap_is_neither_listed_nor_typed(bo, camp, agent_client):
    row = fact(bo, "disability", child=bo.child)
    assert agent_client.get(reverse("admin:leisure_priorityfact_change", args=[row.pk])).status_code == 404
    said = {
        "household": bo.household.pk, "child": bo.child.pk, "kind": "disability", "since": "01/09/2026",
    }  # fmt: skip
    answer = agent_client.post(reverse("admin:leisure_priorityfact_add"), said)
    assert answer.status_code == 200 and PriorityFact.objects.count() == 1


def test_a_situation_is_noted_at_the_desk_with_who_and_when(bo, camp, agent, agent_client, now):
    said = {"household": bo.household.pk, "kind": "work", "since": "01/09/2026", "proved": "on"}
    agent_client.post(reverse("admin:leisure_priorityfact_add"), said)
    made = PriorityFact.objects.get()
    assert (made.proved, made.noted_by, made.noted_at) == (True, agent, now)
    again = agent_client.post(reverse("admin:leisure_priorityfact_add"), said)
    assert "déjà notée" in unescape(again.text) and PriorityFact.objects.count() == 1


def test_nobody_notes_or_removes_one_of_the_own_household(ana, bo, camp, agent, agent_client):
    GuardianFactory(household=ana.household, user=agent)
    said = {"household": ana.household.pk, "kind": "work", "since": "01/09/2026", "proved": "on"}
    agent_client.post(reverse("admin:leisure_priorityfact_add"), said)
    assert not PriorityFact.objects.exists()
    agent_client.post(reverse("admin:leisure_priorityfact_add"), said | {"household": bo.household.pk})
    theirs = PriorityFact.objects.get()
    page = reverse("admin:leisure_priorityfact_change", args=[theirs.pk])
    agent_client.post(page, said)
    assert PriorityFact.objects.get().household == bo.household
    PriorityFact.objects.update(household=ana.household)
    agent_client.post(page, said | {"household": bo.household.pk})  # away from the own one
    agent_client.post(reverse("admin:leisure_priorityfact_delete", args=[theirs.pk]), {"post": "yes"})
    assert PriorityFact.objects.get().household == ana.household


def test_the_database_keeps_its_promises(bo, camp):
    wrong = (
        {"kind": "disability"},
        {"kind": "work", "child": bo.child},
        {"kind": "work", "until": date(2026, 8, 31)},
    )
    for one in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            fact(bo, **one)
    with pytest.raises(IntegrityError), transaction.atomic():
        PriorityStreet.objects.create()
    rule(camp, Kind.PORTAL)
    with pytest.raises(IntegrityError), transaction.atomic():
        ActivityCriterion.objects.create(activity=camp.activity, order=2, kind="portal")


# For families -----------------------------------------------------------------------------------------------


def test_a_family_reads_who_comes_first_before_it_asks(ana, camp):
    address = reverse("leisure:start", args=[ReservationLine.objects.get().reservation.enrolment_id])
    client = ana.client()
    assert "qui passe d’abord" not in client.get(address).text
    rule(camp, Kind.WORK, Kind.WHOLE_WEEKS)
    page = unescape(client.get(address).text)
    assert "D'abord les enfants dont les parents travaillent ou sont en formation" in page
    assert reverse("leisure:situation") in page


def test_a_family_declares_that_its_parents_work_and_takes_it_back(ana, camp, now):
    rule(camp, Kind.WORK)
    client, address = ana.client(), reverse("leisure:situation")
    client.post(address, {"works": "on", "since": "01/09/2026"})
    made = PriorityFact.objects.get()
    assert (made.household, made.since, made.proved, made.noted_by) == (
        ana.household, date(2026, 9, 1), False, ana.user,
    )  # fmt: skip
    client.post(address, {"works": "on", "since": "01/09/2026"})
    assert PriorityFact.objects.count() == 1
    client.post(address, {})
    made.refresh_from_db()
    assert made.until == date(2026, 11, 8)
    assert made.history.count() == 2


def test_a_day_to_come_is_refused_with_its_sentence(ana, camp):
    rule(camp, Kind.WORK)
    page = ana.client().post(reverse("leisure:situation"), {"works": "on", "since": "01/12/2026"})
    assert "une date passée" in page.text and not PriorityFact.objects.exists()


def test_where_the_town_does_not_ask_there_is_no_such_page(ana, camp):
    assert ana.client().get(reverse("leisure:situation")).status_code == 404
