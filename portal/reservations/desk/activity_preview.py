"""What an agent sees of an activity's own rules before they are saved: whom it takes, from when an enrolment
counts, what is paid before a place. Each asks the function that decides.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.utils import timezone

from families.models import Child
from portal.desk import previews, rights
from portal.desk.previews import Preview, Table, Typed
from portal.french import moments
from portal.french.amounts import euros
from portal.french.grades import Grade
from portal.reservations.acts import money_first
from portal.reservations.days import effects
from portal.reservations.days.calendars import OpenDays, days_between
from portal.reservations.days.limits import Attended, Bounds, Limits, Outside, reference_day
from portal.reservations.models import Activity, Advance, Enrolment, Formula, Period

OLDEST = 18
DAYS = 5
MOST = 5
AN_EXAMPLE = Decimal(10)
TAKEN = "accueilli"


def preview(typed: Typed[Activity], user: Any, at: datetime) -> Preview:
    """Saved or not; families of the town where there are any that the agent may see."""
    row, today = typed.row, timezone.localdate(at)
    formulas = [one for one in typed.rows(Formula) or () if one.active]
    found = Preview()
    if sentence := effects.sentence(row, today, today):
        found.sentences.append(sentence)
    found.tables += _limits(row, formulas, today)
    for rule in typed.rows(Advance) or ():
        found.tables.append(_advance(rule, row, formulas, user, today))
    if not (found.sentences or found.tables):
        found.notes.append(
            "Tout enfant est accueilli, une inscription prend effet tout de suite, et rien ne se paie avant"
            " la place."
        )
    return found


# Whom it takes ----------------------------------------------------------------------------------------------


def _limits(row: Activity, formulas: Sequence[Formula], today: date) -> Iterator[Table]:
    bounds: list[Bounds] = [row, *formulas]
    limited = {place: one for place, one in enumerate(formulas, 1) if _is_limited(one)}
    heads = ["Les réservations du jour", *(f"« {one} »" for one in limited.values())]
    day = reference_day(row.age_counts, today)

    def why(age: int, grade: Grade | None = None) -> tuple[str, ...]:
        child = Child(first_name="L'enfant", birth_date=date(day.year - age, day.month, min(day.day, 28)))
        named = grade.label if grade else ""
        own = (Attended(date.min, date.max, named, (grade, grade)),) if grade else ()
        limits = Limits(row, child, own, limited)
        return _said(limits.why_not(today)), *(_said(limits.why_not(today, place)) for place in limited)

    ages = range(OLDEST + 1)
    if any(one.min_age is not None or one.max_age is not None for one in bounds):
        yield Table(
            f"Selon l'âge, {row.get_age_counts_display()}", ("Âge", *heads), list(_alike(ages, why, _of_age))
        )
    if any(one.first_grade is not None or one.last_grade is not None for one in bounds):
        good = next((age for age in ages if all(said == TAKEN for said in why(age))), 0)
        shown = _alike(list(Grade), lambda grade: why(good, grade), _of_grade)
        yield Table("Selon la classe, à un âge accueilli", ("Classe", *heads), list(shown))


def _is_limited(one: Formula) -> bool:
    return any(value is not None for value in (one.min_age, one.max_age, one.first_grade, one.last_grade))


def _said(why: Outside | None) -> str:
    return TAKEN if why is None else f"refusé : {why.short}"


def _alike(
    values: Sequence[Any], why: Callable[[Any], tuple[str, ...]], called: Callable[[Any, Any], str]
) -> Iterator[previews.Row]:
    for said, those in groupby(values, key=why):
        alike = list(those)
        yield previews.row(called(alike[0], alike[-1]), *said)


def _of_age(first: int, last: int) -> str:
    if last == OLDEST:
        return f"{first} ans et plus" if first else "Tous les âges"
    if not first:
        return f"Moins de {last + 1} ans"
    return f"{first} ans" if first == last else f"De {first} à {last} ans"


def _of_grade(first: Grade, last: Grade) -> str:
    return first.label if first == last else f"{first.label} – {last.label}"


# What is paid before ----------------------------------------------------------------------------------------


def _advance(rule: Advance, row: Activity, formulas: Sequence[Formula], user: Any, today: date) -> Table:
    """The children enrolled last, for the next open day, and the next five."""
    rule.activity = row
    period = rule.period or _next_period(row, today)
    place = row.establishments.first() if row.pk else None
    formula = next((one for one in formulas if one.pk), None)
    shown: list[previews.Row] = []
    days: list[date] = []
    if period is not None and place is not None and formula is not None:
        calendar = OpenDays.load(row, place, period.starts_on, period.ends_on)
        coming = days_between(max(today, period.starts_on), period.ends_on)
        days = [day for day in coming if calendar.is_open(day)][:DAYS]
        shown = [
            previews.row(
                one.child.first_name,
                *(money_first.tried(rule, one, period, formula.pk, chosen) for chosen in (days[:1], days)),
            )
            for one in (_enrolled(row, user) if days else ())
        ]
    whose = f"{period}" if period is not None else "aucune période à venir"
    heads: tuple[str, ...] = ("Enfant", "Le premier jour", f"Les {len(days)} premiers jours")
    caption = f"Avant la place ({whose})"
    if days and formula is not None:
        caption += f" : « {formula} » à partir du {moments.day(days[0])}"
    if not shown:
        said = money_first.sentence_of(rule, [AN_EXAMPLE], left=Decimal(0))
        heads, shown = (
            ("Exemple", "Ce que lit la famille"),
            [previews.row(f"Un jour à {euros(AN_EXAMPLE)}", said)],
        )
    return Table(caption, heads, shown)


def _next_period(row: Activity, today: date) -> Period | None:
    if not row.pk:
        return None
    rows = Period.objects.filter(activity=row, ends_on__gte=today)
    return rows.select_related("school_year").order_by("starts_on").first()


def _enrolled(row: Activity, user: Any) -> list[Enrolment]:
    """Those whose prices the agent may know: they say what a family earns."""
    if not user.has_perm("families.view_familyquotient"):
        return []
    rows = Enrolment.objects.accepted().filter(activity=row).order_by("-pk")
    seen = rights.seen_by(user, rows, "reservations.view_enrolment")
    return list(seen.select_related("child", "activity", "household")[:MOST])
