"""« C'est enregistré »: the one message after « Enregistrer », for all children recorded together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from portal.french import moments
from portal.french.elision import of
from portal.french.plurals import counted
from portal.reservations.models import Reservation, ReservationLine
from portal.reservations.states import Action, Outcome

# What became of days, of one and of several, in the order in which it is said.
BECAME = {
    (Action.BOOK, Outcome.ACCEPTED): ("jour", "jours"),
    (Action.CANCEL, Outcome.ACCEPTED): ("jour annulé", "jours annulés"),
    (Action.BOOK, Outcome.REQUESTED): ("jour en attente de réponse", "jours en attente de réponse"),
    (Action.CANCEL, Outcome.REQUESTED): (
        "annulation en attente de réponse",
        "annulations en attente de réponse",
    ),
    (Action.BOOK, Outcome.WAITLISTED): ("jour sur la liste d'attente", "jours sur la liste d'attente"),
    (Action.BOOK, Outcome.HELD): ("jour gardé, à payer", "jours gardés, à payer"),
    (Action.BOOK, Outcome.REFUSED): ("jour refusé", "jours refusés"),
    (Action.CANCEL, Outcome.REFUSED): ("annulation refusée", "annulations refusées"),
}
# What follows, once for all: what waits for whom, and where a reason is read.
FOLLOWS = {
    Outcome.REQUESTED: "La mairie va vous répondre.",
    Outcome.WAITLISTED: "Un message vous préviendra dès qu'une place se libère.",
    Outcome.HELD: "Payez maintenant : votre réservation n'est sûre qu'une fois payée.",
    Outcome.REFUSED: "Le détail dit pourquoi.",
}


def thanks(
    recorded: Sequence[Reservation],
    lines: Mapping[int, Iterable[ReservationLine]],
    *,
    at_desk: bool = False,
) -> SafeString:
    """« C'est enregistré : Gabriel et Louise, 84 jours chacun. », with links to the reservations and, for the
    family, to the calendar; `lines` are those of each, by its key."""
    outcomes = {pk: Counter((line.action, line.outcome) for line in its) for pk, its in lines.items()}
    seen = {outcome for counts in outcomes.values() for _, outcome in counts}
    follows = [sentence for outcome, sentence in FOLLOWS.items() if outcome in seen]
    opening = "C'est enregistré" if seen - {Outcome.REFUSED} else "Rien n'a pu être accepté"
    said = f"{opening} : {_who_and_what(recorded, outcomes)}."
    links = format_html_join(
        " · ",
        '<a href="{}">Voir la réservation {}n°\xa0{}</a>',
        (
            (
                reverse("reservations:detail", args=[one.pk]),
                f"{of(one.child.first_name)}, " if len(recorded) > 1 else "",
                one.number,
            )
            for one in recorded
        ),
    )
    calendar = format_html_join(
        " · ",
        '<a href="{}">Ajouter à mon agenda{}</a>',
        (
            (
                reverse("reservations:agenda_of", args=[one.pk]),
                f" : {one.child.first_name}" if len(recorded) > 1 else "",
            )
            for one in recorded
            if outcomes[one.pk][Action.BOOK, Outcome.ACCEPTED] and not at_desk
        ),
    )
    # The town hall knows what it has to answer.
    return format_html("{} {} {}", " ".join([said, *([] if at_desk else follows)]), links, calendar)


def _who_and_what(recorded: Sequence[Reservation], outcomes: dict[int, Counter[tuple[str, str]]]) -> str:
    names = [one.child.first_name for one in recorded]
    words = [_what(outcomes[one.pk]) for one in recorded]
    if len(set(words)) > 1:
        return " ; ".join(f"{name}, {what}" for name, what in zip(names, words, strict=True))
    each = " chacun" if len(names) > 1 else ""
    return f"{moments.listing(names)}, {words[0]}{each}"


def _what(counts: Counter[tuple[str, str]]) -> str:
    """« 84 jours »; « 82 jours acceptés et 2 jours en attente de réponse » where not all became the same."""
    words = BECAME | (
        {(Action.BOOK, Outcome.ACCEPTED): ("jour accepté", "jours acceptés")} if len(counts) > 1 else {}
    )
    return moments.listing(
        [counted(counts[key], one, many) for key, (one, many) in words.items() if counts[key]]
    )
