"""Who is expected at a centre: the list its team ticks when children arrive and leave."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import Prefetch, QuerySet

from families.models import AuthorisedPerson, Child, ChildHealth, Custody, Guardian
from leisure.models import SERVICE
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.models import Booking, Establishment, Formula, class_name
from portal.reservations.models.queries import announced, with_class
from portal.reservations.states import BookingState


class Health(StrEnum):
    """How much of the health files a sheet tells, by who reads it and what was asked."""

    HIDDEN = "hidden"  # that there is a file to read
    SIGNS = "signs"  # « PAI », « Allergie »
    DETAILS = "details"


TO_READ = "Fiche à consulter"
MISSING = "Fiche sanitaire manquante"


class Contact(NamedTuple):
    """Somebody to call. `phones` are ready to read, empty when none is known."""

    name: str
    phones: str

    def __str__(self) -> str:
        return f"{self.name} : {self.phones}" if self.phones else self.name


@dataclass(frozen=True)
class Expected:
    """A child expected on a day, with all that it booked that day."""

    child_id: int
    last_name: str
    first_name: str
    age: int
    school: str
    school_class: str
    formulas: list[str]
    with_meal: bool
    guardians: list[Contact]
    authorised: list[Contact]
    leaves_alone: bool
    cancelling: bool
    announced: bool  # its family has said that it will not come
    # « PAI, Allergie » for who may read health files; else that there is one to read, or one missing.
    flag: str
    health: list[str]  # details, empty unless asked for

    @property
    def name(self) -> str:
        return f"{self.last_name} {self.first_name}"

    @property
    def group(self) -> str:
        """« CE1, École des Tilleuls »."""
        return class_name(self.school_class, self.school)


@dataclass
class DaySheet:
    """The children of a day, by name; `formulas` says how many booked each."""

    day: date
    children: list[Expected] = field(default_factory=list)
    formulas: Counter[str] = field(default_factory=Counter)

    @property
    def title(self) -> str:
        return moments.day(self.day, year=True)

    @property
    def meals(self) -> int:
        return sum(child.with_meal for child in self.children)

    @property
    def counts(self) -> str:
        """« 12 enfants (Matinée 4, Journée 8), 9 repas »."""
        total = counted(len(self.children), "enfant", "enfants")
        each = ", ".join(f"{name} {count}" for name, count in sorted(self.formulas.items()))
        return f"{total} ({each}), {self.meals} repas"


def register(
    centre: Establishment,
    days: list[date],
    *,
    formula: Formula | None = None,
    health: Health = Health.HIDDEN,
) -> list[DaySheet]:
    """The sheets of the days on which somebody is expected, in 4 queries whatever the days and children.

    `formula` keeps those who booked it. `health` beyond HIDDEN is for permitted staff only.
    """
    sheets = []
    for day, bookings in groupby(_bookings(centre, days, formula), key=lambda booking: booking.day):
        sheet = DaySheet(day)
        for _, of_child in groupby(bookings, key=lambda booking: booking.child_id):
            together = list(of_child)
            sheet.children.append(_expected(together, health))
            sheet.formulas.update(booking.formula.name for booking in together)
        sheets.append(sheet)
    return sheets


def _bookings(centre: Establishment, days: list[date], formula: Formula | None) -> QuerySet[Any]:
    found = Booking.objects.holding().filter(establishment=centre, day__in=days, activity__service=SERVICE)
    if formula is not None:
        found = found.filter(formula=formula)
    adults = Prefetch("household__guardians", Guardian.objects.order_by("pk"))
    homes = Custody.objects.select_related("household").prefetch_related(adults)
    rows: QuerySet[Any] = with_class(found).annotate(announced=announced())
    return (
        rows.select_related("child__health", "formula", "activity")
        .prefetch_related(Prefetch("child__custodies", homes), "child__authorised_people")
        .order_by(
            "day",
            "child__last_name",
            "child__first_name",
            "child_id",
            "formula__order",
            "formula__name",
            "pk",
        )
    )


def _expected(bookings: list[Any], shown: Health) -> Expected:
    """One child's line out of its bookings of a day."""
    first = bookings[0]
    child: Child = first.child
    health: ChildHealth | None = getattr(child, "health", None)
    wanted = any(booking.activity.health_file_required for booking in bookings)
    return Expected(
        child_id=child.pk,
        last_name=child.last_name,
        first_name=child.first_name,
        age=child.age_on(first.day),
        school=first.school or "",
        school_class=first.attended or "",
        formulas=[booking.formula.name for booking in bookings],
        with_meal=any(booking.formula.with_meal for booking in bookings),
        guardians=_guardians(child, first.household_id, first.day),
        authorised=[_authorised(person) for person in child.authorised_people.all()],
        leaves_alone=child.leaves_alone,
        cancelling=all(booking.state == BookingState.CANCEL_REQUESTED for booking in bookings),
        announced=any(booking.announced for booking in bookings),
        flag=_flag(health, wanted, shown),
        health=_details(health) if shown is Health.DETAILS and health else [],
    )


def _guardians(child: Child, booked_by: int, day: date) -> list[Contact]:
    """The adults of all its homes of that day; those of the home that booked first."""
    of_day = (custody.household for custody in child.custodies.all() if custody.holds_on(day))
    homes = sorted(of_day, key=lambda home: (home.pk != booked_by, home.pk))
    return [
        Contact(str(guardian), _phones(guardian.phone, guardian.phone_work))
        for home in homes
        for guardian in home.guardians.all()
    ]


def _authorised(person: AuthorisedPerson) -> Contact:
    name = f"{person.name} ({person.relationship})" if person.relationship else person.name
    return Contact(name, _phones(person.phone))


def _phones(*numbers: str) -> str:
    return ", ".join(number for number in numbers if number)


def _flag(health: ChildHealth | None, wanted: bool, shown: Health) -> str:
    if health is None:
        return MISSING if wanted else ""
    if not (health.has_pai or health.known_allergies or health.treatment):
        return ""
    if shown is Health.HIDDEN:
        return TO_READ
    signs = ["PAI"] if health.has_pai else []
    if shown is Health.SIGNS and health.known_allergies:
        signs.append("Allergie")
    return ", ".join(signs) or (TO_READ if shown is Health.SIGNS else "")


def _details(health: ChildHealth) -> list[str]:
    doctor = " ".join(word for word in (health.doctor, health.doctor_phone) if word)
    pairs = (
        ("Allergies", health.known_allergies),
        ("Conduite à tenir", health.treatment),
        ("Médecin", doctor),
    )
    return [f"{label} : {text}" for label, text in pairs if text]


HEADER = (
    "jour",
    "établissement",
    "nom",
    "prénom",
    "âge",
    "école",
    "classe",
    "formules",
    "repas",
    "responsables",
    "personnes autorisées",
    "repart seul",
    "santé",
    "annulation demandée",
    "absence annoncée",
    "arrivée",
    "départ",
)


def rows(centre: Establishment, sheets: Iterable[DaySheet]) -> Iterable[list[Any]]:
    """The sheets as lines of a spreadsheet, header first; arrival and departure are left to fill in."""
    yield list(HEADER)
    for sheet in sheets:
        for child in sheet.children:
            yield [
                sheet.day.strftime("%d/%m/%Y"),
                str(centre),
                child.last_name,
                child.first_name,
                child.age,
                child.school,
                child.school_class,
                ", ".join(child.formulas),
                _yes(child.with_meal),
                " ; ".join(map(str, child.guardians)),
                " ; ".join(map(str, child.authorised)),
                _yes(child.leaves_alone),
                " ; ".join([child.flag, *child.health] if child.flag else child.health),
                _yes(child.cancelling),
                _yes(child.announced),
                "",
                "",
            ]


def _yes(value: bool) -> str:
    return "oui" if value else "non"
