"""« Rechercher » finds people: households by who lives there, where, by telephone, address or identifiant;
and children that live nowhere any more, or whose household who asks may not see.

Four queries: which rows, in the order of what they were found by; the adults; the children with their class;
the children without a household, where there are any.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import CharField, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value
from django.urls import reverse
from django.utils import timezone

from families.desk_links import household_page
from families.login_names import called_like, normal_form
from families.models import Child, Custody, Guardian, Household, household_number
from families.visibility import holds
from portal.desk import finding, rights
from portal.desk.finding import Found, Group, Line, Typed
from portal.desk.own_choices import looking
from portal.french.spelling import folded, has_words

# Households, and children without one, that a page of results shows.
MOST = 12
# A household is found by several of its people: so many rows hold that many households.
ROWS = MOST * 8
HOME, CHILD = "home", "child"
HOMES, CHILDREN, ADULTS = looking(Household), looking(Child), looking(Guardian)

# The class of the child at a path on a day, as pages name it: this floor knows no school.
ClassOn = Callable[[str, date], Any]


def _no_class(child: str, day: date) -> Any:
    return Value("", CharField())


_lent: list[ClassOn] = [_no_class]


def lend_classes(class_on: ClassOn) -> None:
    """For the floor that knows schools, once it is ready."""
    _lent[:] = [class_on]


@dataclass
class Home:
    """A household that was found, and what is said of it."""

    pk: int
    street: str
    postcode: str
    city: str
    state: str
    adults: list[Guardian] = field(default_factory=list)
    children: list[Line] = field(default_factory=list)

    def found(self, typed: Typed) -> Found:
        notes = [f"Foyer n°\xa0{household_number(self.pk)}"]
        if self.state != Household.State.ACCEPTED:
            notes.append(str(Household.State(self.state).label))
        notes.append(", ".join(filter(None, (self.street, f"{self.postcode} {self.city}".strip()))))
        notes += [said for one in self.adults if (said := _reached(one, typed, alone=len(self.adults) == 1))]
        title = ", ".join(map(str, self.adults)) or notes.pop(0)
        return Found(title, household_page(self.pk), notes, self.children)


def _reached(adult: Guardian, typed: Typed, *, alone: bool) -> str:
    """« Camille : 06 12 34 56 78 », and what else the adult was found by."""
    said = [number for number in (adult.phone, adult.phone_work) if number]
    if typed.name and adult.user is not None:
        form = normal_form(typed.name)
        said += [
            kept
            for kept in (adult.user.username, adult.user.email)
            if form in normal_form(kept) and kept not in said
        ]
    return f"{'' if alone else f'{adult.first_name} : '}{', '.join(said)}" if said else ""


class People:
    """Households with who lives there; children."""

    def is_for(self, user: Any) -> bool:
        return any(map(user.has_perm, (*HOMES, *CHILDREN)))

    def find(self, typed: Typed, user: Any) -> Iterable[Group]:
        today = timezone.localdate()
        rows = list(_Rows(typed, user, today).all()[:ROWS])
        homes = {pk: Home(pk, *of) for kind, _, pk, *of in rows if kind == HOME}
        alone = dict.fromkeys(pk for kind, _, pk, *_ in rows if kind == CHILD)
        more = len(rows) == ROWS
        shown = dict(list(homes.items())[:MOST])
        _add_people(shown, user, today)
        # Whose name begins as it was typed comes first: « roux » means Roux before Leroux.
        best = sorted(shown.values(), key=lambda home: not _begins(typed, home))
        yield Group("Foyers", [home.found(typed) for home in best], more or len(homes) > MOST)
        named = "Enfants sans foyer" if any(map(user.has_perm, HOMES)) else "Enfants"
        yield Group(named, _children(list(alone)[:MOST], today), more or len(alone) > MOST)


@dataclass(frozen=True)
class _Rows:
    """The rows that a text finds, the best first: a household may come several times.

    Each is (kind, rank, key, street, postcode, city, state); of a child all but the first three are empty.
    """

    typed: Typed
    user: Any
    today: date

    def all(self) -> QuerySet[Any, Any]:
        parts = [one for part in (self._homes(), self._alone()) for one in part]
        first, *others = parts
        return first.union(*others, all=True).order_by("rank", "-key")

    # Rows that who asks may see: as they are where that is all of them ------------------------------------

    def _seen_homes(self) -> QuerySet[Household]:
        return rights.seen_by(self.user, Household.objects.filter(erased_at=None), *HOMES)

    def _of_seen_homes(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        there = Household.objects.all()
        seen = rights.seen_by(self.user, there, *HOMES)
        rows = rows.filter(household__erased_at=None, household__joined_to=None)
        return rows if seen is there else rows.filter(household__in=seen.values("pk"))

    def _adults(self) -> QuerySet[Guardian]:
        return self._of_seen_homes(rights.seen_by(self.user, Guardian.objects.order_by(), *ADULTS))

    def _custodies(self) -> QuerySet[Custody]:
        """Who lives where today."""
        rows = Custody.objects.on(self.today).filter(child__erased_at=None, child__joined_to=None)
        return self._of_seen_homes(_of_seen_children(rows, self.user))

    # What is looked for ------------------------------------------------------------------------------------

    def _homes(self) -> Iterable[QuerySet[Any, Any]]:
        typed = self.typed
        if typed.number is not None:
            # Also one that was joined to another: its page leads on.
            yield _row(self._seen_homes().filter(pk=typed.number), 0, "")
        if typed.phone:
            begins = Q(phone__startswith=typed.phone) | Q(phone_work__startswith=typed.phone)
            yield _row(self._adults().filter(begins), 1, "household__")
            return
        if "@" not in typed.text:
            yield _row(self._adults().filter(has_words(typed.words, "folded")), 1, "household__")
            yield _row(self._living(has_words(typed.words, "folded")), 2, "household__")
            yield _row(self._by_all(), 4, "")
        if typed.name:
            called = called_like(typed.name).values("pk")
            yield _row(self._adults().filter(user__in=called), 3, "household__")

    def _living(self, asked: Q) -> QuerySet[Custody]:
        """Where the children of whom `asked` is so live today."""
        return self._custodies().filter(child__in=Child.objects.filter(asked).order_by().values("pk"))

    def _by_all(self) -> QuerySet[Household]:
        """Households of which each word says something: a name, a first name of somebody else, a street.

        The longest word, which few hold, says which are looked at; the others are asked of these alone.
        """
        homes = self._seen_homes().filter(joined_to=None).order_by()
        longest, *others = sorted(self.typed.words, key=len, reverse=True)
        if not others:
            return homes.filter(has_words([longest], "folded"))
        held = has_words([longest], "folded")
        found = (
            homes.filter(held)
            .values("pk")
            .union(self._adults().filter(held).values("household"), self._living(held).values("household"))
        )
        homes = homes.filter(pk__in=found)
        for word in others:
            its = self._adults().filter(has_words([word], "folded"), household=OuterRef("pk"))
            ones = self._custodies().filter(has_words([word], "child__folded"), household=OuterRef("pk"))
            homes = homes.filter(has_words([word], "folded") | Exists(its) | Exists(ones))
        return homes

    def _alone(self) -> Iterable[QuerySet[Any, Any]]:
        """Children that are found by themselves."""
        if self.typed.phone or "@" in self.typed.text:
            return
        known = Child.objects.filter(erased_at=None, joined_to=None).order_by()
        rows = rights.seen_by(self.user, known, *CHILDREN).filter(has_words(self.typed.words, "folded"))
        if any(map(self.user.has_perm, HOMES)):
            rows = rows.exclude(Exists(Custody.objects.filter(holds(self.today), child=OuterRef("pk"))))
        nothing = Value("", CharField())
        yield _named(rows, CHILD, 2, "pk", nothing, nothing, nothing, nothing)


def _row(rows: QuerySet[Any], rank: int, path: str) -> QuerySet[Any, Any]:
    of = [F(f"{path}{name}") for name in ("street", "postcode", "city", "state")]
    return _named(rows, HOME, rank, f"{path}pk", *of)


def _named(rows: QuerySet[Any], kind: str, rank: int, key: str, *of: Any) -> QuerySet[Any, Any]:
    """The same columns of all kinds, under the same names."""
    said = dict(zip(("at_street", "at_postcode", "at_city", "in_state"), of, strict=True))
    rows = rows.order_by().annotate(
        found=Value(kind, CharField()), rank=Value(rank, IntegerField()), key=F(key), **said
    )
    return rows.values_list("found", "rank", "key", *said)


def _of_seen_children(custodies: QuerySet[Custody], user: Any) -> QuerySet[Custody]:
    there = Child.objects.all()
    seen = rights.seen_by(user, there, *CHILDREN)
    return custodies if seen is there else custodies.filter(child__in=seen.values("pk"))


def _add_people(homes: dict[int, Home], user: Any, today: date) -> None:
    """Their adults, and the children who live there today, eldest first; nobody whom `user` may not see."""
    if not homes:
        return
    adults = rights.seen_by(user, Guardian.objects.filter(household__in=homes), *ADULTS)
    for one in adults.select_related("user").order_by("pk"):
        homes[one.household_id].adults.append(one)
    living = _of_seen_children(Custody.objects.on(today).filter(household__in=homes), user)
    rows = living.filter(child__erased_at=None, child__joined_to=None).select_related("child")
    rows = rows.annotate(in_class=_lent[0]("child", today))
    for row in rows.order_by("child__birth_date", "child"):
        homes[row.household_id].children.append(_child(row.child, row.in_class))


def _child(child: Child, in_class: str | None) -> Line:
    return Line(str(child), reverse("admin:families_child_change", args=[child.pk]), in_class or "")


def _children(keys: Sequence[int], today: date) -> list[Found]:
    if not keys:
        return []
    rows: Any = Child.objects.filter(pk__in=keys).annotate(in_class=_lent[0]("pk", today))
    return [
        Found(line.text, line.url, [f"né(e) le {row.birth_date:%d/%m/%Y}", *filter(None, (line.note,))])
        for row in rows
        for line in (_child(row, row.in_class),)
    ]


def _begins(typed: Typed, home: Home) -> bool:
    """Whether each word begins a name of somebody who lives there."""
    names = folded(" ".join((*map(str, home.adults), *(line.text for line in home.children)))).split()
    return all(any(name.startswith(word) for name in names) for word in typed.words)


finding.register(10, People())
