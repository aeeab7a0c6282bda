"""To whom a message goes: parts of a form, each lent by the floor that knows what it asks for.

    register(ByPlace, order=20, rights=("reservations.view_establishment",))      for an app, once it is ready
    Audience(user, data, at)           what was chosen, read for somebody at a moment
    audience.homes()                   the households: those that every part which was filled in keeps

What is chosen is kept as it was posted and read again each time, for whoever acts: a right or a place that
has gone is a choice that has gone. A part without any right of the reader's is not shown, and if something
was chosen in it, refuses.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.datastructures import MultiValueDict

from families.models import FamilyMessage, Household
from portal.desk import rights

# Who may write to families, and to which: those that this right reaches.
RIGHT = "families.add_familymessage"
Data = Mapping[str, Sequence[str]]
# Keys of households, or a query of them.
Keys = Collection[int] | QuerySet[Any, Any]


class Part(forms.Form):
    """Some of the questions. Nothing in it is required: what is left empty keeps everybody."""

    code: ClassVar[str]
    legend: ClassVar[str]
    # Said once, beneath the legend.
    hint: ClassVar[str] = ""

    def __init__(self, data: MultiValueDict[str, str], *, user: Any, today: date) -> None:
        self.user, self.today = user, today
        super().__init__(data, prefix=self.code)

    @property
    def is_filled(self) -> bool:
        """Whether anything was chosen, of a form that is valid."""
        return any(self.cleaned_data.get(name) for name in self.fields)

    def homes(self) -> Keys:
        """The keys of the households that what was chosen keeps, of a part that is filled."""
        raise NotImplementedError

    def words(self) -> list[str]:
        """What was chosen, as the page and the list say it."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Registered:
    part: type[Part]
    order: int
    rights: tuple[str, ...]


_parts: dict[str, _Registered] = {}


def register(part: type[Part], *, order: int, rights: tuple[str, ...] = ()) -> None:
    """For an app, once it is ready; the same code again replaces the part. Who lacks one of `rights` does not
    see it."""
    _parts[part.code] = _Registered(part, order, rights)


def beyond(user: Any) -> QuerySet[FamilyMessage]:
    """Messages to whom a part chose that `user` does not see: to whom they went would tell it."""
    hidden = [one.part for one in _parts.values() if not user.has_perms(one.rights)]
    names = [f"{part.code}-{name}" for part in hidden for name in part.base_fields]
    rows = FamilyMessage.objects.filter(audience__has_any_keys=names)
    return rows if names else rows.none()


def known_homes() -> QuerySet[Household]:
    """Whom a message may go to at all."""
    return Household.objects.filter(state=Household.State.ACCEPTED, erased_at=None, joined_to=None)


class Audience:
    """What was chosen, for `user` at `at` (aware)."""

    def __init__(self, user: Any, data: Data, at: datetime) -> None:
        self.user = user
        given = MultiValueDict({name: list(values) for name, values in data.items()})
        today = timezone.localdate(at)
        shown = sorted(_parts.values(), key=lambda one: one.order)
        mine = [one for one in shown if user.has_perms(one.rights)]
        self.parts = [one.part(given, user=user, today=today) for one in mine]
        asked = {part.add_prefix(name) for part in self.parts for name in part.fields}
        self._kept = given
        self._homes: QuerySet[Household] | None = None
        # Chosen by somebody with more rights: it cannot be left out silently, the message would go to more.
        self.is_beyond = any(
            name.partition("-")[0] in _parts and name not in asked and any(values)
            for name, values in given.lists()
        )

    def is_valid(self) -> bool:
        # Each is asked, so that all that is wrong is said at once.
        wrong = [part for part in self.parts if not part.is_valid()]
        return not wrong and not self.is_beyond

    @property
    def is_empty(self) -> bool:
        """Whether nobody was chosen, of an audience that is valid."""
        return not any(part.is_filled for part in self.parts)

    def data(self) -> dict[str, list[str]]:
        """As a message keeps it: what belongs to the questions, and is not empty."""
        names = {part.add_prefix(name) for part in self.parts for name in part.fields}
        return {
            name: kept
            for name, values in self._kept.lists()
            if name in names and (kept := [one for one in values if one])
        }

    def homes(self) -> QuerySet[Household]:
        """Those that the right of who asks reaches; nobody where nothing is chosen. Of a valid audience."""
        if self._homes is None:
            rows = rights.seen_by(self.user, known_homes(), RIGHT)
            if self.is_empty:
                rows = rows.none()
            for part in self.parts:
                if part.is_filled:
                    rows = rows.filter(pk__in=part.homes())
            self._homes = rows.order_by("pk")
        return self._homes.all()

    def words(self) -> str:
        """« école : École des Tilleuls · réservé le 12 novembre »."""
        return " · ".join(said for part in self.parts if part.is_filled for said in part.words())


def read(data: MultiValueDict[str, str]) -> dict[str, list[str]]:
    """What a post holds, name by name."""
    return {name: list(values) for name, values in data.lists()}
