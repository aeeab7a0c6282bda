"""What files of families bring to the engine: the class a child attends, enrolments with their usual days.

Parts of `families.imports`. Rows are written by `enrolling`.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone

from families.custody import own
from families.imports import cells, registry
from families.imports.people import is_own
from families.imports.records import Record, Run
from families.imports.registry import Column, Doubt, Part
from families.models import Child
from portal.french import grades, moments
from portal.french.grades import Grade
from portal.french.spelling import folded
from portal.french.weekdays import names_of
from portal.reservations.acts import enrolling
from portal.reservations.days.limits import Limits
from portal.reservations.models import (
    Activity,
    Enrolment,
    Establishment,
    SchoolClass,
    Schooling,
    SchoolYear,
    class_name,
)
from portal.web.form_fields import field_of


def _years() -> QuerySet[SchoolYear]:
    return SchoolYear.objects.serving(timezone.localdate()).order_by("starts_on")


class SchoolingForm(forms.Form):
    """Which year the file speaks of, and which school where its rows do not say."""

    year = forms.ModelChoiceField(
        label="Année scolaire", queryset=SchoolYear.objects.none(), empty_label=None, required=False
    )
    school = forms.ModelChoiceField(
        label="École",
        queryset=Establishment.objects.none(),
        required=False,
        empty_label="Celle que dit chaque ligne",
        help_text="Pour les lignes qui n'en disent pas.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "year", forms.ModelChoiceField).queryset = _years()
        schools = Establishment.objects.filter(kind=Establishment.Kind.SCHOOL, active=True)
        field_of(self, "school", forms.ModelChoiceField).queryset = schools
        if len(found := schools[:2]) == 1:
            self.initial.setdefault("school", found[0].pk)


def _year_of(run: Run) -> SchoolYear | None:
    if "school year" not in run.memory:
        said = run.options.get("schooling", {}).get("year")
        run.memory["school year"] = said or _years().first()
    year: SchoolYear | None = run.memory["school year"]
    return year


class _Classes:
    """Those of the year, and the schools, by name; read once a file."""

    def __init__(self, year: SchoolYear) -> None:
        self.year = year
        schools = list(Establishment.objects.filter(kind=Establishment.Kind.SCHOOL))
        self.schools = {folded(one.name): one for one in schools} | {folded(one.code): one for one in schools}
        self.by_name: dict[str, list[SchoolClass]] = defaultdict(list)
        for one in SchoolClass.objects.filter(school_year=year).select_related("school", "school_year"):
            self.by_name[_bare(one.name)].append(one)

    def school(self, said: str) -> Establishment | None:
        """« École élémentaire des Tilleuls » is « Les Tilleuls », where no other school has these words."""
        if found := self.schools.get(folded(said)):
            return found
        words = _telling(said)
        alike = {one.pk: one for one in self.schools.values() if words and words == _telling(one.name)}
        return next(iter(alike.values())) if len(alike) == 1 else None

    def find(self, name: str, school: Establishment | None) -> list[SchoolClass]:
        return [one for one in self.by_name[_bare(name)] if school is None or one.school_id == school.pk]


SMALL_WORDS = frozenset(
    "ecole primaire elementaire maternelle publique privee de du des d la le les l".split()
)


def _telling(name: str) -> frozenset[str]:
    return frozenset(folded(name).split()) - SMALL_WORDS


def _bare(name: str) -> str:
    """« CLASSE  CE2 » is « CE2 »."""
    return folded(name).removeprefix("classe ").replace(" ", "")


def _level(name: str) -> str:
    """Of a class that is made: what its name says of it."""
    named = grades.named(name)
    if named and named[-1] <= Grade.GS:
        return SchoolClass.Level.MATERNELLE
    return SchoolClass.Level.COLLEGE if named and named[0] >= Grade.SIXTH else SchoolClass.Level.ELEMENTAIRE


class Schoolings(Part):
    """The class of the year; another one than the class known is attended from today on, or from the year's
    first day where that is to come."""

    code, label, order = "schooling", "Scolarité", 20
    rights = ("reservations.add_schooling", "reservations.change_schooling", "reservations.add_schoolclass")
    options = SchoolingForm
    columns = (
        Column(
            "school.class",
            "Classe",
            ("libellé classe", "classe enfant", "classes enfants", "classe fréquentée"),
            "Comme elle s'appelle à la page des classes.",
            "CE1",
        ),
        Column(
            "school.name",
            "École",
            ("établissement", "école fréquentée", "établissement scolaire", "nom école"),
            "Vide : celle qui est choisie pour tout le fichier.",
            "École des Tilleuls",
        ),
    )
    doubts = (
        Doubt(
            "no_class",
            "Classe qui n'existe pas",
            (("create", "Créer la classe"), ("without", "Importer l'enfant sans sa classe")),
        ),
        Doubt("no_school", "École qui n'existe pas", (("without", "Importer l'enfant sans sa classe"),)),
    )

    def plan(self, run: Run, lot: Sequence[Record]) -> None:
        year = _year_of(run)
        if year is None:
            return
        classes: _Classes = run.memory.setdefault("classes", None) or _Classes(year)
        run.memory["classes"] = classes
        told: dict[int, tuple[int, Any]] = run.memory.setdefault("schooling told", {})
        keys = {record.child.pk for record in lot if record.child is not None and record.child.pk}
        rows = Schooling.objects.current().filter(child__in=keys, school_year=year)
        known = {row.child_id: row for row in rows.select_related("school_class__school")}
        for record in lot:
            name, child = record.text("school.class"), record.child
            if not name or child is None:
                continue
            found = self._class(run, record, classes, name)
            if found is None or not record.is_first(run, told, child, "school.class", id(found)):
                continue
            now = known.get(child.pk) if child.pk else None
            if now is None:
                record.is_new(f"classe : {found}", "school.class")
                record.kept[self.code] = (found, None)
            elif found.pk is not None and now.school_class_id == found.pk:
                continue
            elif now.starts_on is not None and now.starts_on > run.today:
                # What is planned would go with the change, and come back by no undoing.
                planned = f"un changement de classe est déjà prévu le {moments.day(now.starts_on, year=True)}"
                record.wrong("school.class", f"{planned} : corrigez-le à la page de l'enfant.")
            else:
                record.changes("school.class", str(now.school_class), str(found))
                record.kept[self.code] = (found, now)

    def _class(self, run: Run, record: Record, classes: _Classes, name: str) -> SchoolClass | None:
        said = record.text("school.name")
        school: Establishment | None = run.options.get("schooling", {}).get("school")
        if said:
            school = classes.school(said)
            if school is None:
                record.doubt(run, "no_school", "school.name", "aucune école ne porte ce nom.")
                return None
        found = classes.find(name, school)
        if len(found) == 1:
            return found[0]
        year = classes.year
        if found:
            text = f"plusieurs écoles ont une classe de ce nom en {year} : il faut la colonne de l'école."
            record.doubt(run, "no_school", "school.class", text)
            return None
        where = f" ({school})" if school else ""
        text = f"il n'y a pas de classe de ce nom{where} en {year}."
        if record.doubt(run, "no_class", "school.class", text) != "create":
            return None
        if school is None:
            record.wrong("school.class", "pour créer cette classe, il faut la colonne de l'école.")
            return None
        made = SchoolClass(school=school, school_year=year, name=name[:60], level=_level(name))
        classes.by_name[_bare(name)].append(made)
        record.is_new(f"classe créée : {class_name(made.name, school.name)}", "school.class")
        return made

    def write(self, run: Run, lot: Sequence[Record]) -> None:
        wanted = [(record, *record.kept[self.code]) for record in lot if self.code in record.kept]
        for record, found, _ in wanted:
            if found.pk is None:
                found.save()
                run.note(found, of=record)
        first = [(record, found) for record, found, now in wanted if now is None]
        who = [(record.child.pk, found) for record, found in first if record.child and record.child.pk]
        rows = enrolling.attend_first(who, known_on=run.today)
        for (record, _), row in zip(first, rows, strict=True):
            run.note(row, of=record)
        for record, found, now in wanted:
            if now is not None and record.child is not None:
                self._move(run, record, record.child.row, found)

    def _move(self, run: Run, record: Record, child: Child, found: SchoolClass) -> None:
        year = found.school_year
        before = {one.pk: one for one in Schooling.objects.filter(child=child, school_year=year)}
        since = run.today if run.today > year.starts_on else None
        enrolling.attend(child, found, since=since, known_on=run.today)
        for row in Schooling.objects.filter(child=child, school_year=year):
            was = before.get(row.pk)
            if was is None:
                run.note(row, of=record)
                continue
            changed = {
                name: registry.plain(getattr(was, name))
                for name in ("school_class_id", "starts_on", "ends_on", "known_on")
                if getattr(was, name) != getattr(row, name)
            }
            if changed:
                run.note(row, of=record, before=changed)


class EnrolmentsForm(forms.Form):
    """For which activity, where the rows do not say."""

    activity = forms.ModelChoiceField(
        label="Activité",
        queryset=Activity.objects.filter(active=True),
        required=False,
        empty_label="Celle que dit chaque ligne",
        help_text="Pour les lignes qui n'en disent pas, mais qui ont des jours.",
    )


class Enrolments(Part):
    """Yearly rights with their usual days; accepted, as all that the town hall types."""

    code, label, order = "enrolments", "Inscriptions", 30
    rights = ("reservations.change_enrolment",)
    options = EnrolmentsForm
    columns = (
        Column(
            "enrolment.activity",
            "Activité",
            ("inscription", "service", "prestation"),
            "Une des activités de la commune, par son nom.",
            "Restauration scolaire",
        ),
        Column(
            "enrolment.weekdays",
            "Jours habituels",
            ("jours", "jours fréquentation", "jours présence"),
            "Avec des virgules, ou LMJV.",
            "lundi, mardi, jeudi",
        ),
        Column(
            "enrolment.since",
            "Inscrit à partir du",
            ("début inscription", "date inscription"),
            "Vide : du premier jour de l'année, ou du jour de l'import.",
            "",
        ),
        Column(
            "enrolment.place",
            "Lieu",
            ("restaurant", "centre", "lieu accueil"),
            "Vide : celui qui sert l'école, s'il n'y en a qu'un.",
            "Restaurant du Verger",
        ),
    )
    doubts = (
        Doubt(
            "no_activity", "Activité qui n'existe pas", (("without", "Importer l'enfant sans inscription"),)
        ),
        Doubt("no_place", "Lieu qui n'existe pas", (("without", "Importer l'enfant sans inscription"),)),
        Doubt("not_taken", "Âge ou classe non admis", (("without", "Importer l'enfant sans inscription"),)),
    )

    def plan(self, run: Run, lot: Sequence[Record]) -> None:
        year = _year_of(run)
        if year is None:
            return
        if "activities" not in run.memory:
            rows = Activity.objects.filter(active=True).prefetch_related("establishments__schools")
            run.memory["activities"] = {folded(one.name): one for one in rows}
        activities: dict[str, Activity] = run.memory["activities"]
        keys = {record.child.pk for record in lot if record.child is not None and record.child.pk}
        live = Enrolment.objects.live().filter(child__in=keys, school_year=year)
        known = {(row.child_id, row.household_id, row.activity_id): row for row in live}
        said: list[tuple[Record, Activity]] = []
        for record in lot:
            activity = self._activity(run, record, activities)
            if activity is not None and record.child is not None and record.home is not None:
                said.append((record, activity))
        limits = self._limits(said, year)
        for record, activity in said:
            if record.counts:
                self._plan_one(run, record, activity, year, known, limits)

    def _activity(self, run: Run, record: Record, known: dict[str, Activity]) -> Activity | None:
        name = record.text("enrolment.activity")
        if name:
            found = known.get(folded(name))
            if found is None:
                text = f"cette activité n'existe pas. Il y a : {', '.join(map(str, known.values()))}."
                record.doubt(run, "no_activity", "enrolment.activity", text)
            return found
        if record.text("enrolment.weekdays"):
            said: Activity | None = run.options.get(self.code, {}).get("activity")
            return known.get(folded(said.name)) if said is not None else None
        return None

    def _limits(self, said: Sequence[tuple[Record, Activity]], year: SchoolYear) -> dict[Any, Limits]:
        """By activity and child, of those that have a key; one query an activity."""
        by_activity: dict[int, tuple[Activity, list[tuple[Child, int]]]] = {}
        for record, activity in said:
            if activity.is_limited and record.child is not None and record.child.pk:
                by_activity.setdefault(activity.pk, (activity, []))[1].append((record.child.row, year.pk))
        return {
            (activity.pk, child): found
            for activity, children in by_activity.values()
            for child, found in Limits.of_many(activity, children).items()
        }

    def _plan_one(
        self,
        run: Run,
        record: Record,
        activity: Activity,
        year: SchoolYear,
        known: dict[Any, Enrolment],
        limits: dict[Any, Limits],
    ) -> None:
        child, home = record.child, record.home
        if child is None or home is None:
            return
        mask = record.read(run, "enrolment.weekdays", cells.weekdays) or 0
        begins = max(year.starts_on, run.today)
        said: date | None = record.read(run, "enrolment.since", cells.day)
        if said is not None and said > year.ends_on:
            record.wrong("enrolment.since", f"l'année {year} est finie ce jour-là.")
        if not record.counts:
            return
        # Who has come for years is enrolled anew each year.
        since = begins if said is None else max(said, year.starts_on)
        key = (child.pk, home.pk, activity.pk)
        told: set[Any] = run.memory.setdefault("enrolments told", set())
        mark = (id(child), id(home), activity.pk)
        if mark in told:
            return
        told.add(mark)
        standing = known.get(key) if child.pk and home.pk else None
        if standing is not None:
            if mask and standing.weekdays != mask:
                if is_own(run, home):
                    record.wrong("", own.SOMEBODY_ELSE)
                    return
                days = (names_of(standing.weekdays), names_of(mask))
                record.changes("enrolment.weekdays", *days)
                record.kept[self.code] = (standing, mask)
            return
        if is_own(run, home):
            record.wrong("", own.SOMEBODY_ELSE)
            return
        place, clear = self._place(run, record, activity)
        if not clear:
            return
        limit = limits.get((activity.pk, child.pk)) or Limits(activity, child.row)
        if activity.is_limited and (refusal := enrolling.never_within(limit, year, since, None)):
            record.doubt(run, "not_taken", "enrolment.activity", refusal)
            return
        row = Enrolment(
            activity=activity, establishment=place, school_year=year, weekdays=mask, starts_on=since
        )
        usual = f" : {names_of(mask)}" if mask else ""
        record.is_new(f"inscription, {activity}{usual}", "enrolment.activity")
        record.kept[self.code] = (row, mask)

    def _place(self, run: Run, record: Record, activity: Activity) -> tuple[Establishment | None, bool]:
        """Where the child goes, None where each reservation chooses; and whether that is clear."""
        places = [one for one in activity.establishments.all() if one.active]
        said = record.text("enrolment.place")
        if said:
            found = next((one for one in places if folded(one.name) == folded(said)), None)
            if found is None:
                record.doubt(run, "no_place", "enrolment.place", f"{activity} n'a pas de lieu de ce nom.")
            return found, found is not None
        attended = record.kept.get("schooling")
        school = attended[0].school_id if attended else None
        serving = [
            one
            for one in places
            if one.pk == school or school is None or not one.schools.all() or school in
            {served.pk for served in one.schools.all()}
        ]  # fmt: skip
        return (serving[0] if len(serving) == 1 else None), True

    def write(self, run: Run, lot: Sequence[Record]) -> None:
        made, changed = [], []
        for record in lot:
            if (kept := record.kept.get(self.code)) is None or record.child is None or record.home is None:
                continue
            row, mask = kept
            if row.pk is None:
                row.child_id, row.household_id = record.child.pk, record.home.pk
                made.append((record, row))
            else:
                changed.append((record, row, row.weekdays))
                row.weekdays = mask
        enrolling.enrol_many([row for _, row in made], by=run.by, at=run.at, why=run.why)
        enrolling.say_weekdays([row for _, row, _ in changed], by=run.by, at=run.at, why=run.why)
        for record, row in made:
            run.note(row, of=record)
        for record, row, was in changed:
            run.note(row, of=record, before={"weekdays": was})
