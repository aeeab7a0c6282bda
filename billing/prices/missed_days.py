"""Which days of an absence will be billed, by the town's rules, and what a certificate would change."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from billing.models import AbsencePolicy
from billing.rules import absences
from billing.rules.absences import AbsenceRule, AbsenceRules, Missed, Reason
from families.models import Child, Household
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.models import AbsenceCertificate, AbsenceReason, AttendanceState, Booking
from portal.reservations.presence import announcing, attendance
from portal.reservations.presence.certificates import AbsenceRefused

# An absence may have begun long before the days of its certificate.
AROUND = timedelta(days=92)


class RuleInWords(NamedTuple):
    """A rule and the activities that follow it; `activities` is empty when all do."""

    activities: str
    sentences: list[str]


class Concerned(NamedTuple):
    """A booked day of an absence, and what the rule makes of it."""

    day: date
    activity: str
    formula: str
    seen: bool  # the child was entered present
    billed: bool
    booking: int  # its key

    @property
    def words(self) -> str:
        if self.seen:
            return "noté présent, reste facturé"
        return "reste facturé" if self.billed else "non facturé"


@dataclass(frozen=True)
class AbsenceOutlook:
    """What a certificate of these days, given at a moment, would do."""

    rules: list[RuleInWords]
    days: list[Concerned]

    @property
    def free(self) -> int:
        return sum(not one.billed for one in self.days)


def in_words(activities: dict[int, str], rules: AbsenceRules) -> list[RuleInWords]:
    """The rules of these activities, those that are alike said once."""
    alike: dict[AbsenceRule, list[str]] = defaultdict(list)
    for activity, name in activities.items():
        alike[rules.of(activity)].append(name)
    return [
        RuleInWords(moments.listing(names) if len(alike) > 1 else "", absences.in_words(rule))
        for rule, names in alike.items()
    ]


def outlook(
    household: Household, child: Child, first: date, last: date, *, given: datetime
) -> AbsenceOutlook:
    """The booked days between two days and which of them would be billed, in two queries."""
    return _Around.of(household, child, first, last).outlook(given=given)


def told(household: Household, child: Child, first: date, last: date, *, at: datetime) -> AbsenceOutlook:
    """The same as without a certificate, told at a moment."""
    return _Around.of(household, child, first, last).outlook(told=at)


@dataclass(frozen=True)
class TellingOutlook:
    """What becomes of the days ahead: with a certificate, once told, and as told so far."""

    proved: AbsenceOutlook
    told: AbsenceOutlook
    announced: AbsenceOutlook  # were only the days missed that are announced
    telling_rules: list[RuleInWords]  # those by which telling alone may free a day


def before_telling(
    household: Household, child: Child, first: date, last: date, *, at: datetime
) -> TellingOutlook:
    """What telling now, or a certificate given now, would change; one query more where the town asks when an
    absence was told."""
    around = _Around.of(household, child, first, last, announced=True)
    return TellingOutlook(
        proved=around.outlook(given=at, told=at),
        told=around.outlook(told=at),
        announced=around.outlook(only=set(around.said)),
        telling_rules=in_words(around.telling, around.rules),
    )


@dataclass(frozen=True)
class _Around:
    """What is booked of a child around some days, and what the town says of absences."""

    bookings: list[Any]
    rules: AbsenceRules
    first: date
    last: date
    said: dict[date, datetime]  # when each day was announced

    @classmethod
    def of(
        cls, household: Household, child: Child, first: date, last: date, *, announced: bool = False
    ) -> "_Around":
        rules = AbsencePolicy.rules()
        since = min([first - AROUND, *rules.years_before(first)])
        bookings = list(
            Booking.objects.holding()
            .filter(household=household, child=child, day__range=(since, last + AROUND))
            .select_related("activity", "formula", "attendance")
            .order_by("day", "activity__order", "formula__order", "pk")
        )
        asked = announced or any(rules.of(one.activity_id).asks_when_told for one in bookings)
        days = {(household.pk, child.pk, one.day) for one in bookings} if asked else set()
        said = {day: moment for (_, _, day), moment in announcing.told_at(days).items()}
        return cls(bookings, rules, first, last, said)

    @property
    def telling(self) -> dict[int, str]:
        """The activities of these days where telling alone may free a day."""
        return {
            one.activity_id: str(one.activity)
            for one in self.bookings
            if self.first <= one.day <= self.last and self.rules.of(one.activity_id).asks_when_told
        }

    def outlook(
        self,
        *,
        given: datetime | None = None,
        told: datetime | None = None,
        only: Collection[date] | None = None,
    ) -> AbsenceOutlook:
        """Were the days between first and last (`only`: of them, these) missed."""
        local = timezone.localtime(given) if given else None
        telling = timezone.localtime(told) if told else None
        missed: dict[int, dict[int, Missed]] = defaultdict(dict)
        booked: dict[int, set[date]] = defaultdict(set)
        shown: list[Any] = []
        for booking in self.bookings:
            booked[booking.activity_id].add(booking.day)
            within = self.first <= booking.day <= self.last and (only is None or booking.day in only)
            if within:
                shown.append(booking)
            said = _missed(booking, local if within else None, stays_away=within)
            if said is not None:
                moment = self.said.get(booking.day) or (telling if within else None)
                missed[booking.activity_id][booking.pk] = said._replace(told=moment)
        due = {
            activity: absences.billed(self.rules.of(activity), list(rows.values()), booked[activity])
            for activity, rows in missed.items()
        }
        days = []
        for booking in shown:
            one = missed[booking.activity_id].get(booking.pk)
            billed = one is None or one in due[booking.activity_id]
            days.append(
                Concerned(
                    booking.day, str(booking.activity), str(booking.formula), one is None, billed, booking.pk
                )
            )
        names = {booking.activity_id: str(booking.activity) for booking in shown}
        return AbsenceOutlook(in_words(names, self.rules), days)


def outlook_of(certificate: AbsenceCertificate) -> AbsenceOutlook:
    """That of a certificate sent."""
    return outlook(
        certificate.household,
        certificate.child,
        certificate.first_day,
        certificate.last_day,
        given=certificate.given_at,
    )


def _missed(booking: Any, given: datetime | None, *, stays_away: bool) -> Missed | None:
    """What the booking's attendance says of an absence, or will once a certificate `given` covers it."""
    row = getattr(booking, "attendance", None)
    if row is not None and row.state == AttendanceState.PRESENT:
        return None
    if row is None:
        return Missed(booking.day, Reason.ILLNESS, given) if stays_away else None
    known = timezone.localtime(row.certificate_at) if row.certificate_at else None
    proved = [moment for moment in (known, given) if moment is not None]
    reason = row.reason
    if given is not None and reason in attendance.WEAKER_REASONS:
        reason = AbsenceReason.ILLNESS
    return Missed(booking.day, Reason(reason), min(proved, default=None))


class WhatIsBilled:
    """What the engine's certificates ask of who bills."""

    def check(self, activities: Collection[int], first: date, today: date) -> None:
        """Raises AbsenceRefused where the rules of all these activities make a certificate useless."""
        rules = AbsencePolicy.rules()
        _check_rules([rules.of(activity) for activity in activities], first, today)

    def lines(self, certificate: AbsenceCertificate) -> list[str]:
        """What becomes of its days, for the letter."""
        return lines(outlook_of(certificate).days)


def _check_rules(rules: list[AbsenceRule], first: date, today: date) -> None:
    counting = [rule for rule in rules if rule.certificates_count]
    if not counting:
        raise AbsenceRefused(
            "Pour ces jours, un certificat n'évite pas la facturation : il n'est pas utile de l'envoyer."
        )
    limits = [rule.max_days for rule in counting if rule.max_days is not None]
    if len(limits) == len(counting) and (today - first).days > max(limits):
        days = counted(max(limits), "jour", "jours")
        raise AbsenceRefused(
            f"Un certificat est accepté jusqu'à {days} après le premier jour d'absence :"
            " celui-ci arriverait trop tard.",
            "first_day",
        )


def lines(days: Iterable[Concerned]) -> list[str]:
    """« lundi 9 novembre, Restauration scolaire, Repas : non facturé »."""
    return [f"{moments.day(one.day)}, {one.activity}, {one.formula} : {one.words}" for one in days]
