"""What a file says of households and children whom it has found: quotients, diets."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from families import diets
from families.custody import own
from families.imports import cells
from families.imports.cells import Unreadable
from families.imports.people import is_own
from families.imports.records import Record, Ref, Run
from families.imports.registry import Column, Doubt, Part
from families.models import Diet, DietChoice, FamilyQuotient
from portal.files.sheets import SheetCell
from portal.french.amounts import number as said_number
from portal.french.dates import short_day
from portal.french.spelling import folded

A_BATCH = 500
A_DAY = timedelta(days=1)


def _quotient(cell: SheetCell) -> Decimal:
    value = cells.amount(cell)
    if value < 0:
        raise Unreadable("un quotient n'est jamais négatif.")
    return value


@dataclass
class _Given:
    """A quotient that a row gives to a household."""

    home: Ref[Any]
    value: Decimal
    since: date
    until: date | None
    row: FamilyQuotient | None = None


class Quotients(Part):
    """The quotient that a household has from a day on; the one before ends on the eve."""

    code, label, order = "quotients", "Quotients", 40
    rights = ("families.add_familyquotient", "families.change_familyquotient")
    columns = (
        Column(
            "quotient.value",
            "Quotient familial",
            ("QF", "quotient", "quotient CAF", "QF CAF", "montant quotient"),
            "Avec une virgule.",
            "412,50",
        ),
        Column(
            "quotient.since",
            "Début du quotient",
            ("date quotient", "date QF", "QF valable du", "quotient valable du", "début validité quotient"),
            "Vide : du jour de l'import.",
            "01/09/2026",
        ),
        Column("quotient.until", "Fin du quotient", ("fin QF", "fin validité quotient"), "", ""),
    )
    doubts = (
        Doubt(
            "old_quotient",
            "Quotient plus ancien que celui connu",
            (("keep", "Garder celui qui est connu"),),
        ),
    )

    def plan(self, run: Run, lot: Sequence[Record]) -> None:
        told: dict[int, tuple[int, Any]] = run.memory.setdefault("quotients told", {})
        keys = {record.home.pk for record in lot if record.home is not None and record.home.pk}
        known: dict[int, list[FamilyQuotient]] = defaultdict(list)
        for row in FamilyQuotient.objects.filter(household__in=keys).order_by("valid_from"):
            known[row.household_id].append(row)
        for record in lot:
            given = self._given(run, record)
            if given is None:
                continue
            # Brothers and sisters bring the same one again.
            said = (given.value, given.since, given.until)
            if not record.is_first(run, told, given.home, "quotient.value", said):
                continue
            self._plan_one(run, record, given, known[given.home.pk] if given.home.pk else [])

    def _given(self, run: Run, record: Record) -> _Given | None:
        value = record.read(run, "quotient.value", _quotient)
        since = record.read(run, "quotient.since", cells.day) or run.today
        until = record.read(run, "quotient.until", cells.day)
        if value is None or record.home is None or not record.counts:
            return None
        if until is not None and until < since:
            record.wrong("quotient.until", "le quotient finit avant son début.")
            return None
        return _Given(record.home, value, since, until)

    def _plan_one(self, run: Run, record: Record, given: _Given, rows: list[FamilyQuotient]) -> None:
        said = said_number(given.value)
        standing = next((row for row in rows if row.valid_from == given.since), None)
        without_day = not record.text("quotient.since")
        in_force = [
            row
            for row in rows
            if row.valid_from <= given.since and (row.valid_to is None or row.valid_to >= given.since)
        ]
        if without_day and in_force and in_force[-1].value == given.value:
            return
        if (
            standing is not None
            and standing.value == given.value
            and given.until in (None, standing.valid_to)
        ):
            return
        if is_own(run, given.home):
            record.wrong("quotient.value", own.SOMEBODY_ELSE)
            return
        if standing is not None:
            record.changes("quotient.value", said_number(standing.value), said)
            given.row = standing
        elif any(row.valid_from > given.since for row in rows):
            later = rows[-1]
            if later.value == given.value and without_day:
                return
            begins = short_day(later.valid_from, year=True)
            text = f"un quotient de {said_number(later.value)} vaut depuis le {begins}."
            record.doubt(run, "old_quotient", "quotient.value", text)
            return
        else:
            record.is_new(
                f"quotient : {said} à partir du {short_day(given.since, year=True)}", "quotient.value"
            )
        record.kept[self.code] = (given, in_force[-1] if standing is None and in_force else None)

    def write(self, run: Run, lot: Sequence[Record]) -> None:
        made: list[tuple[Record, FamilyQuotient]] = []
        changed: list[tuple[Record, FamilyQuotient, dict[str, Any]]] = []
        for record in lot:
            if (kept := record.kept.get(self.code)) is None:
                continue
            given, before = kept
            if given.row is not None:
                was = {"value": str(given.row.value), "valid_to": _plain(given.row.valid_to)}
                given.row.value = given.value
                given.row.valid_to = given.until or given.row.valid_to
                changed.append((record, given.row, was))
                continue
            if before is not None:
                was = {"valid_to": _plain(before.valid_to), "end_known_on": _plain(before.end_known_on)}
                before.valid_to, before.end_known_on = given.since - A_DAY, run.today
                changed.append((record, before, was))
            row = FamilyQuotient(
                household_id=given.home.pk,
                value=given.value,
                valid_from=given.since,
                valid_to=given.until,
                known_on=run.today,
            )
            made.append((record, row))
        history = {
            "batch_size": A_BATCH,
            "default_user": run.by,
            "default_change_reason": run.why,
            "default_date": run.at,
        }
        if changed:
            fields = ["value", "valid_to", "end_known_on"]
            bulk_update_with_history([row for _, row, _ in changed], FamilyQuotient, fields, **history)
        if made:
            bulk_create_with_history([row for _, row in made], FamilyQuotient, **history)
        for record, row in made:
            run.note(row, of=record)
        for record, row, was in changed:
            run.note(row, of=record, before=was)


def _plain(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


class Diets(Part):
    """What a child eats: its home says it, or the town hall where another diet is known."""

    code, label, order = "diets", "Régimes", 50
    rights = ("families.change_dietchoice",)
    columns = (
        Column(
            "diet.name",
            "Régime alimentaire",
            ("régime", "régime repas", "type repas", "menu"),
            "Un des régimes de la commune, par son nom.",
            "Sans porc",
        ),
    )
    doubts = (
        Doubt("no_diet", "Régime qui n'existe pas", (("without", "Importer la ligne sans régime"),)),
        Doubt("other_diet", "Autre régime que celui connu", (("keep", "Garder le régime connu"),
                                                              ("write", "Écrire celui du fichier"))),
    )  # fmt: skip

    def plan(self, run: Run, lot: Sequence[Record]) -> None:
        names: dict[str, Diet] | None = run.memory.get("diets")
        if names is None:
            names = {folded(diet.name): diet for diet in Diet.objects.filter(active=True)}
            run.memory["diets"] = names
        told: dict[int, tuple[int, Any]] = run.memory.setdefault("diets told", {})
        keys = {record.child.pk for record in lot if record.child is not None and record.child.pk}
        known = {
            one.child_id: one for one in DietChoice.objects.filter(child__in=keys).select_related("diet")
        }
        for record in lot:
            said, child = record.text("diet.name"), record.child
            if not said or child is None or record.home is None:
                continue
            diet = names.get(folded(said))
            if diet is None:
                offered = ", ".join(one.name for one in names.values())
                record.doubt(run, "no_diet", "diet.name", f"ce régime n'existe pas. Il y a : {offered}.")
                continue
            if not record.is_first(run, told, child, "diet.name", diet.pk):
                continue
            choice = known.get(child.pk) if child.pk else None
            if is_own(run, record.home) and (choice is None or choice.diet_id != diet.pk):
                record.wrong("diet.name", own.SOMEBODY_ELSE)
            elif choice is None:
                record.is_new(f"régime : {diet}", "diet.name")
                record.kept[self.code] = (diet, None)
            elif choice.diet_id != diet.pk:
                text = f"le régime connu est « {choice.diet} »."
                if record.doubt(run, "other_diet", "diet.name", text) == "write":
                    record.changes("diet.name", str(choice.diet), str(diet))
                    record.kept[self.code] = (diet, choice)

    def write(self, run: Run, lot: Sequence[Record]) -> None:
        new: list[tuple[Record, int, int, Diet]] = []
        others: list[tuple[Record, DietChoice, Diet]] = []
        for record in lot:
            if (kept := record.kept.get(self.code)) is None or record.child is None or record.home is None:
                continue
            diet, choice = kept
            if choice is not None:
                others.append((record, choice, diet))
            elif record.child.pk is not None and record.home.pk is not None:
                new.append((record, record.child.pk, record.home.pk, diet))
        of = {child: record for record, child, _, _ in new}
        for row in diets.say_many([(child, home, diet) for _, child, home, diet in new], at=run.at):
            run.note(row, of=of[row.child_id])
        of = {choice.child_id: record for record, choice, _ in others}
        for row, was in diets.write_down([(choice, diet) for _, choice, diet in others], at=run.at):
            run.note(row, of=of[row.child_id], before={"diet": was})
