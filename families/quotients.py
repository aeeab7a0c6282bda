"""A quotient is taken over, by whichever way it came; from when it counts, as families read it. The town
chooses the latter where it sets its prices; the app that knows lends it."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

from families.models import ChangeRequest, FamilyQuotient, Household
from portal.french import moments

# Whether a quotient given late counts from the day on which the family sent it, not from its own date.
CountsWhenTold = Callable[[], bool]
_lent: list[CountsWhenTold] = []


def lend(counts_when_told: CountsWhenTold) -> None:
    """For the app that knows, once it is ready; told again, the last one counts."""
    _lent[:] = [counts_when_told]


def _when_told() -> bool:
    return any(counts_when_told() for counts_when_told in _lent)


def take_over(
    household: Household, value: Decimal, start: date, *, known_on: date, last: date | None = None
) -> FamilyQuotient:
    """Writes the quotient that holds from `start` (to `last`, its last day; None: until the next one).

    The one in force until then ends on the eve; one that starts the same day is corrected. `known_on`: when
    the family gave it. Within a transaction that holds the household.
    """
    before = household.quotients.filter(valid_from__lt=start).order_by("-valid_from").first()
    if before and (before.valid_to is None or before.valid_to >= start):
        before.valid_to, before.end_known_on = start - timedelta(days=1), known_on
        before.save()
    told = {"value": value, "valid_to": last, "end_known_on": None}
    written, _ = FamilyQuotient.objects.update_or_create(
        household=household,
        valid_from=start,
        defaults=told,
        create_defaults=told | {"known_on": known_on},
    )
    return written


def promise() -> str:
    """What the page on which it is sent says of its effect."""
    if _when_told():
        return "Une fois vérifié par la mairie, il compte pour vos tarifs à partir du jour où vous l'envoyez."
    return "Une fois vérifié par la mairie, il compte pour vos tarifs à partir de la date indiquée."


def counts_from(change: ChangeRequest) -> str:
    """From when the quotient that was taken over counts: « à partir du 20 novembre 2026, jour où vous l'avez
    communiqué… »."""
    if change.valid_from is None:
        raise ValueError("the database keeps no request for a quotient without its start")
    taken = change.household.quotients.get(valid_from=change.valid_from)
    start = moments.day(taken.valid_from, year=True)
    if taken.known_on is None or taken.known_on <= taken.valid_from:
        return f"à partir du {start}"
    if _when_told():
        told = moments.day(taken.known_on, year=True)
        return f"à partir du {told}, jour où vous l'avez communiqué (il est valable depuis le {start})"
    return (
        f"à partir du {start} ; les jours déjà facturés gardent leur prix, sauf si la mairie recalcule leur "
        "mois"
    )
