"""From when a quotient counts, as families read it. The town chooses that where it sets its prices; the app
that knows lends it."""

from collections.abc import Callable

from families.models import ChangeRequest
from portal.french import moments

# Whether a quotient given late counts from the day on which the family sent it, not from its own date.
CountsWhenTold = Callable[[], bool]
_lent: list[CountsWhenTold] = []


def lend(counts_when_told: CountsWhenTold) -> None:
    """For the app that knows, once it is ready; told again, the last one counts."""
    _lent[:] = [counts_when_told]


def _when_told() -> bool:
    return any(counts_when_told() for counts_when_told in _lent)


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
