"""Before a quotient ends and no other one follows: four weeks before, and once more in the last one."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta

from django.db.models import Exists, OuterRef, Subquery
from django.urls import reverse

from families.models import QUOTIENT_ENDS_SOON, ChangeRequest, FamilyQuotient, is_followed
from families.reminders.evenings import Evening
from families.reminders.kinds import Find, Kind, Line, News
from portal.french import moments

# How long before the end one is told again.
LAST = timedelta(weeks=1)


def begin(evening: Evening) -> Find:
    def find(homes: Collection[int]) -> Iterator[News]:
        for home, quotient, last in _ending(homes, evening.today):
            time = LAST if last - evening.today <= LAST else QUOTIENT_ENDS_SOON
            yield News(home, f"{quotient}:{last}:{time.days}", last)

    return find


def _ending(homes: Collection[int], today: date) -> Iterator[tuple[int, int, date]]:
    """(household, quotient, last day) of those that end soon. One that is followed by another does not; where
    the family has sent the next one, it is the town hall's turn."""
    asked = ChangeRequest.objects.filter(
        household=OuterRef("household"),
        kind=ChangeRequest.Kind.QUOTIENT,
        state=ChangeRequest.State.REQUESTED,
    )
    later = FamilyQuotient.objects.filter(
        household=OuterRef("household"), valid_from__gt=OuterRef("valid_from")
    ).order_by("valid_from")
    rows = (
        FamilyQuotient.objects.filter(
            ~Exists(asked), household__in=homes, valid_to__range=(today, today + QUOTIENT_ENDS_SOON)
        )
        .annotate(following=Subquery(later.values("valid_from")[:1]))
        .order_by("household", "pk")
        .values_list("household", "pk", "valid_to", "following")
    )
    for home, quotient, last, following in rows:
        if last is not None and not is_followed(last, following):
            yield home, quotient, last


def say(news: Sequence[News]) -> list[Line]:
    path = reverse("families:quotient")
    return [
        Line(
            f"Votre quotient familial est valable jusqu'au {moments.day(one.what, year=True)}. Ensuite, sans "
            "nouveau justificatif, le tarif le plus élevé s'applique.",
            path,
        )
        for one in news
    ]


QUOTIENT = Kind(
    "quotient",
    "Avant la fin de mon quotient familial",
    "Votre quotient familial expire bientôt",
    "Communiquer mon quotient",
    begin,
    say,
    hint="Quatre semaines avant, puis la dernière semaine, si vous n'en avez pas envoyé d'autre.",
)
