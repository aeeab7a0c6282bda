"""Queries composed once: rows as fresh as any, text that depends on its shape alone."""

import threading
from datetime import date, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from portal.database import composed
from portal.database.composed import Composed, Given, GivenMany, numbered, one_of
from portal.reservations.models import Period, PublicHoliday

pytestmark = pytest.mark.django_db

NEW_YEAR, MAY_DAY = date(2027, 1, 1), date(2027, 5, 1)


@pytest.fixture(autouse=True)
def holidays(db):
    PublicHoliday.objects.all().delete()
    PublicHoliday.objects.create(day=NEW_YEAR, name="Jour de l'an")
    PublicHoliday.objects.create(day=MAY_DAY, name="Fête du Travail")


def query(compose):
    """A query that counts how often it was composed."""
    query = Composed(compose)
    query.times = 0

    def counted(*shape):
        query.times += 1
        return compose(*shape)

    query._compose = counted
    return query


@pytest.fixture
def between():
    def compose() -> "QuerySet[PublicHoliday]":
        return PublicHoliday.objects.filter(day__range=(Given("first"), Given("last"))).order_by("day")

    return query(compose)


def names(rows):
    return [one.name for one in rows]


def test_values_change_and_the_text_is_composed_once(between):
    assert names(between(first=NEW_YEAR, last=MAY_DAY)) == ["Jour de l'an", "Fête du Travail"]
    assert names(between(first=NEW_YEAR, last=NEW_YEAR)) == ["Jour de l'an"]
    assert names(between(first=MAY_DAY, last=MAY_DAY + timedelta(days=9))) == ["Fête du Travail"]
    assert between.times == 1


def test_rows_are_read_anew_each_time(between):
    assert len(between(first=NEW_YEAR, last=MAY_DAY)) == 2
    PublicHoliday.objects.filter(day=MAY_DAY).update(name="1er mai")
    PublicHoliday.objects.create(day=date(2027, 4, 5), name="Lundi de Pâques")
    assert names(between(first=NEW_YEAR, last=MAY_DAY)) == ["Jour de l'an", "Lundi de Pâques", "1er mai"]


def test_one_reading_is_one_query_that_says_what_the_queryset_says(between):
    between(first=NEW_YEAR, last=NEW_YEAR)
    with CaptureQueriesContext(connection) as mine:
        between(first=NEW_YEAR, last=MAY_DAY)
    with CaptureQueriesContext(connection) as plain:
        list(PublicHoliday.objects.filter(day__range=(NEW_YEAR, MAY_DAY)).order_by("day"))
    # Django puts what is given for an expression between brackets.
    assert [one["sql"].replace("(", "").replace(")", "") for one in mine] == [
        one["sql"].replace("(", "").replace(")", "") for one in plain
    ]


def test_a_value_that_is_missing_is_an_error(between):
    with pytest.raises(KeyError, match="last"):
        between(first=NEW_YEAR)


def test_each_number_of_values_is_a_shape_and_only_so_many_are_kept(monkeypatch):
    monkeypatch.setattr(composed, "SHAPES", 2)
    found = query(lambda count: PublicHoliday.objects.filter(one_of("day", "day", count)).order_by("day"))
    days = [NEW_YEAR, MAY_DAY, date(2027, 7, 14)]
    assert names(found(1, **numbered("day", days[:1]))) == ["Jour de l'an"]
    assert names(found(2, **numbered("day", days[:2]))) == ["Jour de l'an", "Fête du Travail"]
    assert names(found(2, **numbered("day", days[1:]))) == ["Fête du Travail"]
    assert found.times == 2
    found(3, **numbered("day", days))
    found(1, **numbered("day", days[:1]))
    assert found.times == 4


def test_related_rows_annotations_and_unions_come_as_from_any_queryset(canteen):
    whole = Composed(
        lambda: Period.objects.filter(Q(activity__service=Given("service"))).select_related("activity")
    )
    with CaptureQueriesContext(connection) as asked:
        (period,) = whole(service=canteen.activity.service)
        assert period.activity == canteen.activity
    assert len(asked) == 1
    halves = Composed(
        lambda: (
            PublicHoliday.objects.filter(day=Given("one"))
            .order_by()
            .values_list("day", "name")
            .union(PublicHoliday.objects.filter(day=Given("other")).order_by().values_list("day", "name"))
        )
    )
    assert set(halves(one=NEW_YEAR, other=MAY_DAY)) == {
        (NEW_YEAR, "Jour de l'an"),
        (MAY_DAY, "Fête du Travail"),
    }


@pytest.mark.django_db(transaction=True)
def test_threads_read_with_connections_of_their_own(between):
    between(first=NEW_YEAR, last=MAY_DAY)
    found = []

    def read(first, last):
        found.append(names(between(first=first, last=last)))
        connection.close()

    threads = [
        threading.Thread(target=read, args=days) for days in [(NEW_YEAR, NEW_YEAR), (MAY_DAY, MAY_DAY)]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [["Fête du Travail"], ["Jour de l'an"]]


def test_what_is_composed_anew_is_not_kept(between):
    for _ in range(2):
        assert names(between.anew(first=NEW_YEAR, last=MAY_DAY)) == ["Jour de l'an", "Fête du Travail"]
    assert between.times == 2
    between(first=NEW_YEAR, last=MAY_DAY)
    assert between.times == 3


def test_of_nothing_that_one_may_see_nothing_is_read(db):
    narrowed = Composed(lambda rows: rows.filter(day=Given("day")))
    assert names(narrowed.anew(PublicHoliday.objects.all(), day=MAY_DAY)) == ["Fête du Travail"]
    assert narrowed.anew(PublicHoliday.objects.none(), day=MAY_DAY) == []


def test_a_list_of_any_length_is_one_shape():
    def compose() -> "QuerySet[PublicHoliday]":
        return PublicHoliday.objects.filter(day__among=GivenMany("days")).order_by("day")

    found = query(compose)
    assert names(found(days=[MAY_DAY, NEW_YEAR])) == ["Jour de l'an", "Fête du Travail"]
    assert names(found(days={MAY_DAY})) == ["Fête du Travail"]
    assert found(days=[]) == []
    assert found.times == 1


def test_a_list_of_keys_is_one_too():
    keys = list(PublicHoliday.objects.values_list("pk", flat=True))
    found = Composed(lambda: PublicHoliday.objects.filter(pk__among=GivenMany("keys")))
    assert len(found(keys=keys)) == 2
    assert len(found(keys=keys[:1])) == 1


@pytest.mark.django_db(transaction=True)
def test_rows_are_held_only_until_a_transaction_ends():
    """Django looks when it composes: the second asking, outside, would hold nothing."""
    held = Composed(lambda: PublicHoliday.objects.select_for_update().filter(day=Given("day")))
    with transaction.atomic():
        assert len(held(day=MAY_DAY)) == 1
    with pytest.raises(TransactionManagementError):
        held(day=MAY_DAY)
