"""What of a year the billing copies to the next, by the same rule as « Copier pour l'année suivante »:
tariffs; and what families owe as it ends. Parts of `portal.reservations.acts.next_year`."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from billing.models import Invoice, InvoiceLine, Tariff
from billing.models.tariffs import TariffQuerySet
from billing.prices.books import copy_tariff, next_code, next_dates
from families.models import User
from portal.french.amounts import euros
from portal.french.plurals import counted
from portal.reservations.acts import next_year
from portal.reservations.acts.next_year import Field, Line, Made, Part, Pending
from portal.reservations.models import SchoolYear, YearTurn

TARIFF = "tariff"
A_MONTH = timedelta(days=31)
GOES_ON = "continue après la rentrée : cochez seulement s'il change de prix"


class Tariffs(Part):
    key = "tarifs"
    title = "Tarifs"
    intro = (
        "Un tarif qui finit avec l'année est proposé pour la suivante, avec les mêmes prix, ou une hausse en"
        " %. Exemple : « Repas 2026-2027 », jusqu'au 31 août 2027, devient « Repas 2027-2028 » à partir du"
        " 1er septembre 2027. Un tarif sans fin continue : cochez-le seulement s'il change de prix."
    )
    order = 50
    counted = ("tarif copié", "tarifs copiés")

    def lines(self, turn: YearTurn, *, at: datetime) -> list[Line]:
        found = []
        known = set(Tariff.objects.values_list("code", flat=True))
        for one in _of_year(turn):
            first, last = next_dates(one, turn.before.ends_on)
            # Copied, perhaps from another day than the one proposed.
            exists = any(next_code(one, day) in known for day in (first, turn.starts_on, turn.ends_on))
            fields = [
                Field("name", "Nom", "text", next_year.name_then(turn, one.name)),
                Field("valid_from", "En vigueur du", "day", first),
                Field("valid_to", "au", "day", last, required=False),
                Field("percent", "Hausse (%)", "percent", Decimal(0)),
            ]
            found.append(
                Line(
                    str(one.pk),
                    "",
                    one.name,
                    one.dates,
                    fields,
                    chosen=_ends_with(one, turn),
                    exists="déjà copié" if exists else "",
                    note="" if exists or _ends_with(one, turn) else GOES_ON,
                )
            )
        return found

    def carry_out(
        self, turn: YearTurn, year: SchoolYear, lines: Sequence[Line], made: Made, *, by: User, at: datetime
    ) -> int:
        originals = {str(one.pk): one for one in _of_year(turn).with_rules().prefetch_related("formulas")}
        for line in lines:
            tariff = originals[line.key]
            before = tariff.valid_to
            copied = copy_tariff(
                tariff,
                name=line.value("name")[:120],
                code=next_code(tariff, line.value("valid_from")),
                valid_from=line.value("valid_from"),
                valid_to=line.value("valid_to"),
                percent=line.value("percent"),
            )
            made.add(TARIFF, copied.pk)
            # What the copy made end sooner.
            now = Tariff.objects.values_list("valid_to", flat=True).get(pk=int(line.key))
            if now != before:
                made.was[line.key] = [
                    before.isoformat() if before else None,
                    now.isoformat() if now else None,
                ]
        return len(lines)

    def stands_on(self, turn: YearTurn, made: Made) -> list[str]:
        copies = Tariff.objects.filter(pk__in=made.of(TARIFF))
        formulas = copies.values("formulas__formula")
        lines = InvoiceLine.objects.filter(
            formula__in=formulas,
            invoice__month__gte=turn.starts_on.replace(day=1),
            invoice__issued_at__gte=turn.carried_at,
        )
        if not made.of(TARIFF) or not (billed := lines.values("invoice").distinct().count()):
            return []
        return [f"{counted(billed, 'facture porte', 'factures portent')} déjà sur des jours de {turn.name}."]

    def take_back(self, turn: YearTurn, made: Made, *, by: User, at: datetime) -> None:
        Tariff.objects.filter(pk__in=made.of(TARIFF)).delete()
        for key, (before, ended) in made.was.items():
            tariff = Tariff.objects.filter(pk=int(key)).first()
            if tariff is not None and _text(tariff.valid_to) == ended:
                tariff.valid_to = date.fromisoformat(before) if before else None
                tariff.save(update_fields=["valid_to"])


def _ends_with(tariff: Tariff, turn: YearTurn) -> bool:
    """Whether its end comes with the year's, give or take a month: not that of a calendar year."""
    return tariff.valid_to is not None and tariff.valid_to < turn.starts_on + A_MONTH


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _of_year(turn: YearTurn) -> TariffQuerySet:
    """Those that hold on the last day of the year, and end before the next one does."""
    last = turn.before.ends_on
    rows = Tariff.objects.in_force(last).filter(Q(valid_to=None) | Q(valid_to__lt=turn.ends_on))
    return rows.order_by("name", "pk")


def owed(user: Any, turn: YearTurn, at: datetime) -> list[Pending]:
    """What families have not paid on its day."""
    if not user.has_perm("billing.view_invoice"):
        return []
    rows = Invoice.objects.with_balance().filter(left__gt=Decimal(0), pay_by__lt=timezone.localdate(at))
    homes: dict[int, Decimal] = defaultdict(Decimal)
    for home, left in rows.order_by().values_list("household", "left"):
        homes[home] += left
    if not homes:
        return []
    who = counted(len(homes), "famille a des factures en retard", "familles ont des factures en retard")
    total = sum(homes.values(), Decimal(0))
    where = reverse("admin:billing_invoice_remind") if user.has_perm("billing.add_invoicenotice") else ""
    return [Pending(f"{who} : {euros(total)}.", where)]


def register_all() -> None:
    """Once the app is ready."""
    next_year.register(Tariffs())
    next_year.look_before(20, owed)
