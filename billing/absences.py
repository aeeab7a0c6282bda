"""Which days of an absence are billed. Pure: values in, value out; no database, no clock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise


class Reason(StrEnum):
    ILLNESS = "illness"
    STRIKE = "strike"
    TEACHER = "teacher"
    TRIP = "trip"
    FAMILY = "family"
    NONE = ""


@dataclass(frozen=True)
class AbsenceRule:
    """When an absence of an illness is free.

    A certificate counts as given in time within `within_hours` after the end of the first day of absence
    (None: whenever); the first `waiting_days` are then billed all the same. Given later, the first
    `late_waiting_days` are billed (None: all days), and after more than `max_days` days it no longer counts.
    `free_reasons` are free without any certificate.
    """

    within_hours: int | None = None
    waiting_days: int = 0
    late_waiting_days: int | None = None
    max_days: int | None = None
    certificates_count: bool = True
    free_reasons: frozenset[Reason] = frozenset({Reason.STRIKE, Reason.TEACHER, Reason.TRIP})


def billed_days(
    rule: AbsenceRule,
    absent: Sequence[date],
    certificate: datetime | None,
    reason: Reason = Reason.NONE,
) -> list[date]:
    """The days of one absence that are billed, in order.

    `absent`: the booked days missed; `certificate`: the local moment at which it was given, None: never.
    A naive and an aware moment are both read by their own clock.
    """
    days = sorted(set(absent))
    if reason in rule.free_reasons:
        return []
    if not days or certificate is None or not rule.certificates_count:
        return days
    given = certificate.replace(tzinfo=None)
    end_of_first = datetime.combine(days[0] + timedelta(days=1), datetime.min.time())
    if rule.max_days is not None and (given.date() - days[0]).days > rule.max_days:
        return days
    if rule.within_hours is None or given <= end_of_first + timedelta(hours=rule.within_hours):
        return days[: rule.waiting_days]
    return days if rule.late_waiting_days is None else days[: rule.late_waiting_days]


def episodes(absent: Iterable[date], booked: Iterable[date]) -> list[list[date]]:
    """The absences of a child: runs of missed days with no attended booked day between them."""
    missed = sorted(set(absent))
    attended = sorted(set(booked) - set(missed))
    found: list[list[date]] = [[day] for day in missed[:1]]
    for before, day in pairwise(missed):
        if any(before < came < day for came in attended):
            found.append([day])
        else:
            found[-1].append(day)
    return found
