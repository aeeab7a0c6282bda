"""What was told of households after a month was billed, and may price it otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeVar

from django.db.models import F, Model, QuerySet
from django.utils import timezone

from billing.invoices.billable import Scope
from billing.models import BillingSettings, ChildStatus, Recalculation, TariffModifier
from families.models import FamilyQuotient, FormerAddress, Residence
from portal.database.kept import KeptAWhile
from portal.french import moments
from portal.reservations.deadlines.publics import Kind
from portal.reservations.models import AudienceMember, Schooling
from portal.reservations.models.campaigns import publics

M = TypeVar("M", bound=Model)
LOOKED_AT = timedelta(days=365)
SHOWN = 20


@dataclass(frozen=True)
class ToldSince:
    """A fact of a household that holds from `since`, known after its invoice of `month`."""

    household: int
    month: date
    since: date
    known_at: datetime
    what: str

    @property
    def sentence(self) -> str:
        """« déménagement du 12 novembre, su le 3 décembre »."""
        known = moments.day(timezone.localdate(self.known_at))
        return f"{self.what} du {moments.day(self.since)}, su le {known}"


def told_since(at: datetime) -> list[ToldSince]:
    """The last ones that a year's months may be recalculated for, the latest first, one a household and
    month; not those recalculated since. In five queries, six where tariffs
    ask for situations that the town hall recognises, two more where it has audiences of its own."""
    first = (timezone.localdate(at) - LOOKED_AT).replace(day=1)
    seen: dict[tuple[int | None, date], datetime] = {}
    decided = Recalculation.objects.filter(confirmed_at__isnull=False, month__gte=first)
    for home, month, confirmed_at in decided.order_by("confirmed_at").values_list(
        "household_id", "month", "confirmed_at"
    ):
        if confirmed_at:
            seen[home, month] = confirmed_at
    latest: dict[tuple[int, date], ToldSince] = {}
    for one in sorted(_facts(first), key=lambda one: one.known_at):
        decisions = [seen[home, one.month] for home in (one.household, None) if (home, one.month) in seen]
        if one.since <= Scope(one.month).ends_on and all(
            confirmed_at < one.known_at for confirmed_at in decisions
        ):
            latest[one.household, one.month] = one
    return sorted(latest.values(), key=lambda one: (one.known_at, one.month, one.household), reverse=True)[
        :SHOWN
    ]


def _facts(first: date) -> Iterator[ToldSince]:
    """Of the kinds that count from their date however late they are told."""
    settings, from_its_date = BillingSettings.current(), BillingSettings.Late.DATE
    if settings.residence_late == from_its_date:
        moves = _since_billed(Residence.objects.exclude(starts_on=None), "told_at", "household", first)
        for home, month, since, told_at in moves.values_list(
            "household_id", "household__invoices__month", "starts_on", "told_at"
        ):
            if since:
                yield ToldSince(home, month, since, told_at, "déménagement")
        # From one town to another outside, say: for audiences of the town that lives at addresses.
        left = FormerAddress.objects.all() if publics().asks(Kind.ADDRESS) else FormerAddress.objects.none()
        for home, month, until, told_at in _since_billed(left, "told_at", "household", first).values_list(
            "household_id", "household__invoices__month", "until", "told_at"
        ):
            yield ToldSince(home, month, until + timedelta(days=1), told_at, "déménagement")
    if settings.quotient_late == from_its_date:
        given = _since_billed(FamilyQuotient.objects.all(), "known_on", "household", first)
        for home, month, since, known_on in given.values_list(
            "household_id", "household__invoices__month", "valid_from", "known_on"
        ):
            if known_on:
                yield ToldSince(home, month, since, _begins(known_on), "quotient familial")
    if settings.school_late == from_its_date:
        changed = Schooling.objects.exclude(starts_on=None)
        for home, month, since, known_on in (
            _since_billed(changed, "known_on", "child__households", first)
            .values_list("child__households", "child__households__invoices__month", "starts_on", "known_on")
            .distinct()
        ):
            if since and known_on:
                yield ToldSince(home, month, since, _begins(known_on), "changement de classe")
    if statuses_count():
        known = _since_billed(ChildStatus.objects.all(), "known_on", "child__households", first)
        for home, month, since, known_on in known.values_list(
            "child__households", "child__households__invoices__month", "valid_from", "known_on"
        ).distinct():
            yield ToldSince(home, month, since, _begins(known_on), "situation reconnue")
    if publics().asks(Kind.RECOGNISED):
        members = _since_billed(AudienceMember.objects.all(), "known_on", "household", first)
        for home, month, since, known_on in members.values_list(
            "household_id", "household__invoices__month", "starts_on", "known_on"
        ):
            yield ToldSince(home, month, since, _begins(known_on), "public reconnu")


@KeptAWhile
def statuses_count() -> bool:
    """Whether a tariff asks for what the town hall recognises of children."""
    return TariffModifier.objects.filter(when=TariffModifier.When.STATUS).exists()


def _begins(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _since_billed(rows: QuerySet[M], known: str, home: str, first: date) -> QuerySet[M]:
    """Those that were known after an invoice of a month from `first` on."""
    return rows.filter(
        **{
            f"{known}__gt": F(f"{home}__invoices__issued_at"),
            f"{home}__invoices__month__gte": first,
        }
    )
