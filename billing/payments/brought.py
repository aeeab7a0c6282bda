"""What files of families bring to billing, and take out: mandates of direct debit.

A part of `families.imports`. A mandate that was debited stays as it is; another one of the same household
takes its place once somebody has said so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from billing.models import Invoice, Mandate
from families.custody import own
from families.imports import cells, outgoing, registry
from families.imports.cells import Unreadable
from families.imports.outgoing import Bite, Line, Whose
from families.imports.people import is_own
from families.imports.records import Record, Ref, Run
from families.imports.registry import Column, Doubt, Part
from families.models import FamilyQuotient, FileImport, Household, ImportedRow
from portal.database.encrypted import Unreadable as NoKey
from portal.files.sheets import SheetCell
from portal.french.official_numbers import check_bic, check_iban, compact, grouped
from portal.french.plurals import counted

KEYS = ("mandate.rum", "mandate.signed_on", "mandate.iban", "mandate.bic", "mandate.debtor")
VIEWS = ("billing.view_mandate",)
A_BATCH = 500
RUM = Mandate._meta.get_field("rum")


def _official(cell: SheetCell, check: Callable[[str], None]) -> str:
    """An IBAN or a BIC without its spaces, as `check` accepts it. Raises Unreadable."""
    text = compact(cells.as_text(cell))
    try:
        check(text)
    except ValidationError as wrong:
        raise Unreadable(wrong.message) from None
    return text


def _rum(cell: SheetCell) -> str:
    text = cells.as_text(cell)
    try:
        RUM.run_validators(text)
    except ValidationError as wrong:
        raise Unreadable(wrong.messages[0]) from None
    return text


@dataclass
class _Given:
    """A mandate that a row brings to a household, and the one that it takes the place of."""

    home: Ref[Any]
    mandate: Mandate
    instead_of: Mandate | None = None


class Mandates(Part):
    """The household's mandate for the town's own régie."""

    code, label, order = "mandates", "Mandats de prélèvement", 60
    rights = ("billing.add_mandate", "billing.change_mandate")
    columns = (
        Column(
            "mandate.rum",
            "RUM",
            ("référence unique du mandat", "référence mandat", "numéro mandat"),
            "Celle que porte le mandat signé : elle ne change pas avec le logiciel.",
            "RUM-2024-0117",
        ),
        Column(
            "mandate.signed_on",
            "Mandat signé le",
            ("date signature", "date signature mandat", "date mandat"),
            "Jour, mois, année en entier.",
            "14/09/2024",
        ),
        Column(
            "mandate.iban",
            "IBAN",
            ("compte bancaire", "IBAN mandat"),
            "Vérifié par sa clé.",
            "FR14 2004 1010 0505 0001 3M02 606",
        ),
        Column("mandate.bic", "BIC", ("code BIC", "swift"), "Peut rester vide.", "PSSTFRPPPAR"),
        Column(
            "mandate.debtor",
            "Titulaire du compte",
            ("titulaire", "nom titulaire"),
            "Vide : le premier responsable du foyer.",
            "Anne Durand",
        ),
    )
    doubts = (
        Doubt(
            "other_mandate",
            "Autre mandat que celui connu",
            (
                ("replace", "Révoquer le mandat connu, enregistrer celui du fichier"),
                ("keep", "Garder le mandat connu"),
            ),
        ),
    )

    def plan(self, run: Run, lot: Sequence[Record]) -> None:
        said = [record for record in lot if record.text("mandate.rum") or record.text("mandate.iban")]
        rums = {record.text("mandate.rum") for record in said}
        keys = {record.home.pk for record in said if record.home is not None and record.home.pk}
        standing = Mandate.objects.filter(household__in=keys, regie=None, revoked_on=None)
        live = {one.household_id: one for one in standing}
        known = {one.rum: one for one in Mandate.objects.filter(rum__in=rums)}
        told: dict[str, int] = run.memory.setdefault("mandates told", {})
        homes: dict[int, int] = run.memory.setdefault("mandates of homes", {})
        for record in said:
            given = self._given(run, record)
            if given is None:
                continue
            rum, home = given.mandate.rum, given.home
            # Brothers and sisters bring the same one again.
            if homes.setdefault(id(home), record.line) != record.line and told.get(rum) == homes[id(home)]:
                continue
            if homes[id(home)] != record.line:
                text = f"la ligne {homes[id(home)]} donne un autre mandat au même foyer."
                record.wrong("mandate.rum", text)
                continue
            if told.setdefault(rum, record.line) != record.line:
                record.wrong(
                    "mandate.rum", f"cette RUM est déjà à la ligne {told[rum]}, pour un autre foyer."
                )
                continue
            self._plan_one(run, record, given, live.get(home.pk or 0), known.get(rum))

    def _given(self, run: Run, record: Record) -> _Given | None:
        rum = record.read(run, "mandate.rum", _rum, needed=True)
        iban = record.read(run, "mandate.iban", partial(_official, check=check_iban), needed=True)
        signed_on = record.read(run, "mandate.signed_on", cells.day, needed=True)
        bic = record.read(run, "mandate.bic", partial(_official, check=check_bic)) or ""
        if record.home is None or not record.counts:
            return None
        for key, value, missing in (
            ("mandate.rum", rum, "il manque la RUM du mandat."),
            ("mandate.iban", iban, "il manque l'IBAN du mandat."),
            ("mandate.signed_on", signed_on, "il manque la date de signature du mandat."),
        ):
            if not value:
                record.wrong(key, missing)
        if rum is None or iban is None or signed_on is None:
            return None
        if signed_on > run.today:
            record.wrong("mandate.signed_on", "un mandat n'est pas signé dans l'avenir.")
            return None
        debtor = record.text("mandate.debtor") or next((str(one.row) for one in record.adults), "")
        if not debtor:
            record.wrong("mandate.debtor", "il manque le titulaire du compte.")
            return None
        mandate = Mandate(rum=rum, iban=iban, bic=bic, signed_on=signed_on, debtor=debtor[:70])
        return _Given(record.home, mandate)

    def _plan_one(
        self, run: Run, record: Record, given: _Given, live: Mandate | None, same_rum: Mandate | None
    ) -> None:
        mandate = given.mandate
        if same_rum is not None and same_rum.household_id != given.home.pk:
            record.wrong("mandate.rum", "cette RUM est déjà celle d'un autre foyer.")
            return
        if same_rum is not None and (same_rum != live or isinstance(same_rum.iban, NoKey)):
            record.wrong("mandate.rum", "ce mandat est révoqué, ou illisible pour l'instant.")
            return
        if same_rum is not None and same_rum.iban == mandate.iban:
            return
        if is_own(run, given.home):
            record.wrong("", own.SOMEBODY_ELSE)
            return
        if same_rum is not None:
            record.wrong("mandate.iban", "l'IBAN n'est pas celui de ce mandat : corrigez-le à sa page.")
            return
        if live is not None:
            text = f"ce foyer a déjà le mandat {live.rum}, compte {live.account}."
            if record.doubt(run, "other_mandate", "mandate.rum", text) != "replace":
                return
            given.instead_of = live
        record.is_new(f"mandat {mandate.rum}, compte …{mandate.iban[-4:]}", "mandate.rum")
        record.kept[self.code] = given

    def write(self, run: Run, lot: Sequence[Record]) -> None:
        wanted: list[tuple[Record, _Given]] = [
            (record, record.kept[self.code]) for record in lot if self.code in record.kept
        ]
        if not wanted:
            return
        Household.objects.lock({given.home.pk for _, given in wanted if given.home.pk})
        history: Mapping[str, Any] = {
            "batch_size": A_BATCH,
            "default_user": run.by,
            "default_change_reason": run.why,
            "default_date": run.at,
        }
        revoked = [(record, given.instead_of) for record, given in wanted if given.instead_of is not None]
        for _, before in revoked:
            before.revoked_on = max(run.today, before.signed_on)
        if revoked:
            bulk_update_with_history([row for _, row in revoked], Mandate, ["revoked_on"], **history)
        for _, given in wanted:
            given.mandate.household = given.home.row
        bulk_create_with_history([given.mandate for _, given in wanted], Mandate, **history)
        for record, before in revoked:
            run.note(before, of=record, before={"revoked_on": None})
        for record, given in wanted:
            run.note(given.mandate, of=record)


def billed_with(file: FileImport, made: Sequence[ImportedRow]) -> list[str]:
    """What was billed since at quotients that the import wrote."""
    keys = [row.key for row in made if row.model == FamilyQuotient._meta.label]
    if not keys or file.done_at is None:
        return []
    homes = FamilyQuotient.objects.filter(pk__in=keys).values("household")
    number = Invoice.every.filter(household__in=homes, issued_at__gte=file.done_at).count()
    said = counted(number, "pièce facturée depuis à ces quotients", "pièces facturées depuis à ces quotients")
    return [said] if number else []


# Taken out ------------------------------------------------------------------------------------------------


def _mandates(bite: Bite) -> dict[Whose, list[Line]]:
    rows = Mandate.objects.filter(household__in=[home.pk for home in bite.homes], regie=None, revoked_on=None)
    return {(row.household_id, None): [_line(row)] for row in rows if not isinstance(row.iban, NoKey)}


def _line(row: Mandate) -> dict[str, str | date]:
    return {
        "mandate.rum": row.rum,
        "mandate.signed_on": row.signed_on,
        "mandate.iban": grouped(row.iban),
        "mandate.bic": row.bic,
        "mandate.debtor": row.debtor,
    }


def register_all() -> None:
    """Once the app is ready."""
    registry.look_before_undoing(billed_with)
    outgoing.register("mandates", 60, KEYS, _mandates, rights=VIEWS)
    outgoing.offer(Mandate)
