"""Before a paper ends, and while one is missing: told once of each."""

from collections.abc import Collection, Iterator, Sequence

from django.urls import reverse

from families.models import paper_kinds
from families.papers import asking
from families.papers.asking import Line as PaperLine
from families.papers.asking import Status
from families.reminders.evenings import Evening
from families.reminders.kinds import Find, Kind, Line, News
from portal.french import moments
from portal.french.elision import of


def begin(evening: Evening) -> Find:
    def find(homes: Collection[int]) -> Iterator[News]:
        for home, lines in asking.read(homes, evening.today).items():
            for line in lines:
                if line.is_to_do and line.status is not Status.REFUSED:  # its letter has just said so
                    yield News(home, _about(line), line)

    return find


def _about(line: PaperLine) -> str:
    """A paper that is missing again, a year later, is another thing to be told."""
    child = line.child.pk if line.child else 0
    before = line.good or line.last
    known = f"{before.pk}:{before.ends_on}" if before else ""
    return f"{line.kind.pk}:{child}:{line.status.name}:{known}"


def say(news: Sequence[News]) -> list[Line]:
    path = reverse("families:papers")
    return [Line(_sentence(one.what), path) for one in news]


def _sentence(line: PaperLine) -> str:
    whose = f" {of(line.child.first_name)}" if line.child else ""
    paper = f"Un papier{whose}" if line.kind.is_secret else f"{line.kind}{whose}"
    if line.good is not None and line.good.ends_on is not None:
        until = moments.day(line.good.ends_on, year=True)
        return f"{paper} : valable jusqu'au {until}. Envoyez le suivant."
    if line.status is Status.EXPIRED:
        return f"{paper} : périmé. La mairie attend le suivant."
    if line.status is Status.TO_SHOW:
        return f"{paper} : à montrer au guichet de la mairie."
    return f"{paper} : la mairie l'attend encore."


PAPERS = Kind(
    "papers",
    "Quand un papier manque ou va finir",
    "Un papier est attendu",
    "Voir mes papiers",
    begin,
    say,
    used=lambda: bool(paper_kinds()),
    hint="Une fois quand la mairie l'attend, une fois avant sa fin.",
)
