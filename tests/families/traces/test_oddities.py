"""What is odd is said in a sentence."""

from datetime import timedelta

import pytest

from families.models import SecurityEvent
from families.traces import oddities
from tests.conftest import NOW

KIND = SecurityEvent.Kind


def happened(
    kind: SecurityEvent.Kind, times: int, *, ago: timedelta, apart: timedelta = timedelta(seconds=10)
):
    SecurityEvent.objects.bulk_create(
        SecurityEvent(kind=kind, at=NOW - ago + number * apart) for number in range(times)
    )


def said() -> list[str]:
    return [one.sentence for one in oddities.found(at=NOW)]


@pytest.mark.parametrize(
    ("kind", "least", "sentence"),
    [
        (KIND.FAILED, 30, "30 échecs de connexion en dix minutes, lundi 9 novembre à 7 h 30."),
        (KIND.LOCKED, 10, "10 connexions retenues en dix minutes, lundi 9 novembre à 7 h 30."),
    ],
)
def test_many_in_ten_minutes_are_said_one_less_is_not(now, db, kind, least: int, sentence: str):
    happened(kind, least - 1, ago=timedelta(hours=2, minutes=30))
    assert said() == []
    happened(kind, 1, ago=timedelta(hours=2, minutes=24))
    assert said() == [sentence]


def test_as_many_over_a_morning_are_not_odd(now, db):
    happened(KIND.FAILED, 100, ago=timedelta(hours=10), apart=timedelta(minutes=5))
    happened(KIND.LOGIN, 100, ago=timedelta(hours=1))
    assert said() == []


def test_it_is_said_for_a_day(now, db):
    happened(KIND.FAILED, 40, ago=timedelta(hours=25))
    assert said() == []


def test_what_was_only_counted_counts(now, db, django_assert_num_queries):
    SecurityEvent.objects.create(kind=KIND.FAILED, at=NOW - timedelta(minutes=2), times=4000)
    with django_assert_num_queries(1):
        assert said() == ["4000 échecs de connexion en dix minutes, lundi 9 novembre à 9 h 58."]


def test_the_worst_ten_minutes_are_found_across_the_clock():
    minutes = [
        (NOW + timedelta(minutes=number), many) for number, many in ((55, 5), (59, 9), (64, 9), (65, 8))
    ]
    assert oddities.worst(minutes) == (26, NOW + timedelta(minutes=59))
    assert oddities.worst([]) == (0, None)
