"""What the town hall may pass over when it acts for a family: one by one, each with a reason and a right.

    overrides = Overrides({Override.DEADLINE: "La mère est hospitalisée."}, late=False)
    booking.submit(draft, by=agent, at=at, overrides=overrides)

A verb asks `demand` before it believes any of it. A family carries none: it has no right to any.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from families.models import User
from portal.desk import rights
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.days.standing import Desk
from portal.reservations.models import Establishment
from portal.reservations.states import Override

# Whoever acts for families at all; where, says the place of the right.
ACTS = "reservations.change_booking"
RIGHTS = {
    Override.DEADLINE: "reservations.override_deadline_booking",
    Override.CAPACITY: "reservations.override_capacity_booking",
    Override.LIMITS: "reservations.override_limits_booking",
    Override.PAPERS: "reservations.override_papers_booking",
    Override.DAYS: "reservations.override_days_booking",
    Override.ARREARS: "reservations.override_arrears_booking",
    Override.PAYMENT: "reservations.override_payment_booking",
    Override.OVERSIGHTS: "reservations.override_oversights_booking",
}
# What the columns hold that families read it in.
LONGEST = 300


@dataclass(frozen=True)
class Overrides:
    """What is passed over, each with its reason. `late`: days past their deadline pay what being late costs;
    otherwise they are billed as on time."""

    reasons: Mapping[Override, str] = field(default_factory=dict)
    late: bool = False

    def __contains__(self, one: object) -> bool:
        return one in self.reasons

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def said(self, used: Iterable[Override]) -> str:
        """« Délai : la mère est hospitalisée. Places : fratrie. », what the family reads; one reason given
        for several is said once."""
        labels: dict[str, list[str]] = {}
        for one in Override:
            if one in set(used):
                labels.setdefault(self.reasons[one].strip().rstrip("."), []).append(one.label)
        return " ".join(f"{', '.join(of_reason)} : {reason}." for reason, of_reason in labels.items())


NONE = Overrides()


def allowed(by: User, place: Establishment) -> frozenset[Override]:
    """What `by` may pass over at a place."""
    here = Establishment.objects.filter(pk=place.pk)
    return frozenset(
        one
        for one, right in RIGHTS.items()
        if by.has_perm(right) and ((seen := rights.seen_by(by, here, right)) is here or seen.exists())
    )


def without_right(one: Override) -> str:
    return f"Vous n'avez pas le droit de passer outre ici : {one.label.lower()}."


def demand(overrides: Overrides, *, by: User, place: Establishment) -> None:
    """Raises BookingRefused unless each of them has its reason and `by` its right at the place."""
    if not overrides:
        return
    may = allowed(by, place)
    for one, reason in overrides.reasons.items():
        if one not in may:
            raise BookingRefused(without_right(one))
        if not reason.strip():
            raise BookingRefused(f"Indiquez pourquoi vous passez outre ({one.label.lower()}).")
    if len(overrides.said(overrides.reasons)) > LONGEST:
        raise BookingRefused(f"Vos motifs sont trop longs : {LONGEST} caractères au plus, en tout.")


def demand_to_act(by: User, place: Establishment) -> None:
    """Raises BookingRefused unless `by` may act for families at the place."""
    here = Establishment.objects.filter(pk=place.pk)
    if not by.has_perm(ACTS) or not ((seen := rights.seen_by(by, here, ACTS)) is here or seen.exists()):
        raise BookingRefused(f"Vous ne suivez pas cet établissement : {place}.")


# Closed books -----------------------------------------------------------------------------------------------

# Until which day the accounts of an activity (its key) are closed.
ClosedUntil = Callable[[int], date | None]
_closed_until: list[ClosedUntil] = []


def lend(closed_until: ClosedUntil) -> None:
    """For who closes accounts, once it is ready: no day in them is booked or cancelled any more."""
    _closed_until[:] = [closed_until]


def desk(waives: Iterable[Override], activity: int) -> Desk:
    """For `Where`: what may be passed over, and the last day whose accounts are closed."""
    until = [day for ask in _closed_until if (day := ask(activity)) is not None]
    return Desk(frozenset(waives), max(until, default=None))
