"""Lists in the form in which they come in: the headings are those that an import recognises.

    register("quotients", 40, keys, reads)    an app, once it is ready: the columns it fills, and how
    headings(held), lines(homes, today, held) a file of households, line by line
    offer(Enrolment)                          the lists of the desk from which it is taken

A line is a child in a home; a home without children has one of its own. What there may be several of (adults
beyond two, enrolments) takes further lines, on which the child and the home stand again. Brought back
unchanged, every line is « Identique ».
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from django.db.models import Model, Prefetch, QuerySet

from families.imports.headings import title_of
from families.models import Child, Custody, DietChoice, FamilyQuotient, Guardian, Household
from families.visibility import holds
from portal.files.handing_over import Cell
from portal.french import phones

# Homes read at a time.
A_BITE = 200
# Of whom a cell is: a home (key), and the child (key) or None.
Whose = tuple[int, int | None]
Line = Mapping[str, Cell]
# Whether whoever asks has all of these rights.
Held = Callable[[Sequence[str]], bool]


@dataclass(frozen=True)
class Bite:
    """Some homes, each with its children of today."""

    homes: Sequence[Household]
    children: Mapping[int, Sequence[Child]]
    today: date

    @property
    def child_keys(self) -> list[int]:
        return [child.pk for each in self.children.values() for child in each]


# What an app fills: by whose it is, the lines that it takes, each with its columns' keys.
Reads = Callable[[Bite], Mapping[Whose, Sequence[Line]]]


@dataclass(frozen=True)
class _Registered:
    order: int
    keys: tuple[str, ...]
    rights: tuple[str, ...]
    reads: Reads


_known: dict[str, _Registered] = {}


def register(code: str, order: int, keys: Sequence[str], reads: Reads, *, rights: Sequence[str] = ()) -> None:
    """For an app, once it is ready; the same code again replaces it. `reads` takes a fixed number of queries;
    who lacks one of `rights` gets a file without these columns."""
    _known[code] = _Registered(order, tuple(keys), tuple(rights), reads)


_offered: set[type[Model]] = {Household, Child, DietChoice}


def offer(model: type[Model]) -> None:
    """For an app, once it is ready: its list goes out in this form too."""
    _offered.add(model)


def is_offered(model: type[Model]) -> bool:
    return model in _offered


def _parts(held: Held) -> list[_Registered]:
    return sorted((one for one in _known.values() if held(one.rights)), key=lambda one: one.order)


PEOPLE = (
    "child.last_name",
    "child.first_name",
    "child.birth_date",
    "home.street",
    "home.street_more",
    "home.postcode",
    "home.city",
)
OF_ADULT = ("last_name", "first_name", "email", "phone", "phone_work")
GROUPS = ("adult", "adult2")
ADULTS = tuple(f"{group}.{name}" for group in GROUPS for name in OF_ADULT)


def _keys(parts: Sequence[_Registered]) -> list[str]:
    return [*PEOPLE, *ADULTS, *(key for part in parts for key in part.keys)]


def headings(held: Held) -> list[str]:
    """The titles of the columns that whoever asks gets."""
    return [title_of(key) for key in _keys(_parts(held))]


def lines(
    homes: "QuerySet[Household]", today: date, held: Held, *, children: "QuerySet[Child] | None" = None
) -> Iterator[tuple[Cell, ...]]:
    """Every line, some homes at a time; `children`: of these alone, and no line of a home without one."""
    parts = _parts(held)
    keys = _keys(parts)
    adults = Prefetch("guardians", Guardian.objects.select_related("user").order_by("pk"))
    rows = homes.order_by("pk").prefetch_related(adults).iterator(chunk_size=A_BITE)
    while some := list(islice(rows, A_BITE)):
        bite = Bite(some, _children(some, today, children), today)
        told = [part.reads(bite) for part in parts]
        for home in some:
            here: Sequence[Child | None] = bite.children.get(home.pk, ())
            for child in here or ([None] if children is None else []):
                for line in _lines(home, child, told):
                    yield tuple(line.get(key, "") for key in keys)


def _children(
    homes: Sequence[Household], today: date, chosen: "QuerySet[Child] | None"
) -> dict[int, list[Child]]:
    found: dict[int, list[Child]] = {}
    rows = Custody.objects.filter(holds(today), household__in=[home.pk for home in homes])
    if chosen is not None:
        rows = rows.filter(child__in=chosen.order_by().values("pk"))
    for custody in rows.select_related("child").order_by("child__birth_date", "child"):
        found.setdefault(custody.household_id, []).append(custody.child)
    return found


def _lines(
    home: Household, child: Child | None, told: Sequence[Mapping[Whose, Sequence[Line]]]
) -> Iterator[Line]:
    always: dict[str, Cell] = {
        "home.street": home.street,
        "home.street_more": home.street_more,
        "home.postcode": home.postcode,
        "home.city": home.city,
    }
    if child is not None:
        always |= {
            "child.last_name": child.last_name,
            "child.first_name": child.first_name,
            "child.birth_date": child.birth_date,
        }
    key = None if child is None else child.pk
    said = [part.get((home.pk, key)) or part.get((home.pk, None)) or () for part in told]
    adults = _adults(home)
    for place in range(max([1, len(adults), *map(len, said)])):
        line = always | (adults[place] if place < len(adults) else adults[0] if adults else {})
        for each in said:
            if place < len(each):
                line |= each[place]
        yield line


def _adults(home: Household) -> list[dict[str, Cell]]:
    """Two a line."""
    found = [_adult(one) for one in home.guardians.all()]
    return [
        {
            f"{group}.{name}": value
            for group, adult in zip(GROUPS, found[place : place + len(GROUPS)], strict=False)
            for name, value in adult.items()
        }
        for place in range(0, len(found), len(GROUPS))
    ]


def _adult(adult: Guardian) -> dict[str, Cell]:
    login = adult.user.email if adult.user is not None else ""
    return {
        "last_name": adult.last_name,
        "first_name": adult.first_name,
        "email": login or adult.email_given,
        "phone": phones.shown(adult.phone),
        "phone_work": phones.shown(adult.phone_work),
    }


# This app's own --------------------------------------------------------------------------------------------


def _quotients(bite: Bite) -> dict[Whose, list[Line]]:
    """Those in force."""
    rows = FamilyQuotient.objects.filter(household__in=[home.pk for home in bite.homes])
    return {
        (row.household_id, None): [
            {"quotient.value": row.value, "quotient.since": row.valid_from, "quotient.until": row.valid_to}
        ]
        for row in rows.in_force(bite.today).order_by("household", "valid_from")
    }


def _diets(bite: Bite) -> dict[Whose, list[Line]]:
    rows = DietChoice.objects.filter(child__in=bite.child_keys).select_related("diet")
    names = {row.child_id: str(row.diet) for row in rows}
    return {
        (home, child.pk): [{"diet.name": names[child.pk]}]
        for home, children in bite.children.items()
        for child in children
        if child.pk in names
    }


def register_own() -> None:
    """Once the app is ready."""
    quotient = ("quotient.value", "quotient.since", "quotient.until")
    register("quotients", 40, quotient, _quotients, rights=("families.view_familyquotient",))
    register("diets", 50, ("diet.name",), _diets, rights=("families.view_dietchoice",))
