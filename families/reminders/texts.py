"""When a text that a family accepted reads otherwise and is to be accepted again: told once a version."""

from collections.abc import Collection, Iterator, Sequence

from django.urls import reverse

from families.models import asked_texts
from families.reminders.evenings import Evening
from families.reminders.kinds import Find, Kind, Line, News
from families.texts import standing
from families.texts.standing import Again
from portal.french import moments


def begin(evening: Evening) -> Find:
    def find(homes: Collection[int]) -> Iterator[News]:
        for one in standing.asked_again(homes, evening.today):
            child = one.child.pk if one.child else 0
            yield News(one.household, f"{one.version.pk}:{child}", one)

    return find


def say(news: Sequence[News]) -> list[Line]:
    """Of several children, a text is said once."""
    texts: dict[int, list[Again]] = {}
    for one in news:
        texts.setdefault(one.what.version.pk, []).append(one.what)
    return [_line(those) for those in texts.values()]


def _line(those: Sequence[Again]) -> Line:
    version = those[0].version
    names = [one.child.first_name for one in those if one.child]
    whose = f" ({moments.listing(names)})" if names else ""
    return Line(
        f"{version.text}{whose} : nouvelle version depuis le {moments.day(version.starts_on, year=True)}."
        " Lisez-la et acceptez-la avant de réserver de nouveaux jours.",
        reverse("families:asked_text", args=[version.text.code]),
    )


TEXTS = Kind(
    "texts",
    "Quand un texte que j'ai accepté change",
    "Un texte à accepter a changé",
    "Lire et accepter",
    begin,
    say,
    used=lambda: any(not text.is_free for text, _ in asked_texts()),
    hint="Une fois par nouvelle version.",
)
