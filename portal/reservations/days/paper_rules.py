"""Pure: what an activity does without a paper. Values in, values out; the sentences beside.

wants(without, books=True)              whether it is looked at for days, or for an enrolment
counts_sent(counts, books=True)         whether one that waits for the town hall is enough
uncovered(days, ends)                   the days that none of what is there covers
"""

from collections.abc import Collection, Iterable
from datetime import date

from families.models import AskedText
from portal.french import moments
from portal.reservations.models.papers import ActivityPaper

Without, Counts = ActivityPaper.Without, ActivityPaper.Counts
FOR_EVER = date.max


def wants(without: str, *, books: bool) -> bool:
    if books:
        return without == Without.WARNS or without in ActivityPaper.BEFORE_PLACE
    return without in ActivityPaper.BEFORE_ENROLMENT


def counts_sent(counts: str, *, books: bool) -> bool:
    """Sent is enough to ask for an enrolment, which the town hall still reads; a day wants it accepted."""
    return counts == Counts.SENT or (counts == Counts.USUAL and not books)


def uncovered(days: Iterable[date], ends: Collection[date | None]) -> frozenset[date]:
    """Of these days, those past the last day of each paper that is there (None: it has none)."""
    if not ends:
        return frozenset(days)
    last = max(end or FOR_EVER for end in ends)
    return frozenset(day for day in days if day > last)


def text_stops(need: str, *, books: bool) -> bool:
    """Whether nothing goes on before a text is accepted. A free consent stops nothing."""
    return need == AskedText.Need.BOTH or (need == AskedText.Need.PLACE and books)


# In words -------------------------------------------------------------------------------------------------


def lacking(paper: str, activity: str, *, state: str, books: bool, warns: bool) -> str:
    """`state`: « refused », « waits », « show » (at the counter), « expired »; else none is there."""
    said = {
        "refused": "la mairie l'a refusé, renvoyez-le",
        "waits": "papier envoyé, la mairie le vérifie",
        "show": "montrez-le au guichet de la mairie",
        "expired": "périmé, la mairie attend le suivant",
    }.get(state, "la mairie l'attend")
    if warns:
        return f"{paper} : {said} ({activity}). Vos jours se réservent quand même."
    if books:
        then = "Sans ce papier accepté" if state == "waits" else "Sans lui"
        then += ", aucun jour ne se réserve"
    else:
        then = (
            "L'inscription attend qu'il soit accepté" if state == "waits" else "Sans lui, pas d'inscription"
        )
    return f"{paper} : {said}. {then} ({activity})."


def ending(paper: str, activity: str, last: date, *, warns: bool) -> str:
    until = f"{paper} : valable jusqu'au {moments.day(last, year=True)}."
    if warns:
        return f"{until} Pour les jours d'après, envoyez le suivant ({activity})."
    return f"{until} Les jours d'après se réservent avec le suivant ({activity})."


def to_accept(text: str, *, books: bool) -> str:
    before = "de réserver des jours" if books else "l'inscription"
    return f"{text} : à lire et à accepter avant {before}."
