"""What households owed, or were owed, in the books of before, out of a file of families.

A part of `families.imports`. Each is a statement (« Relevé reporté ») of one line, which the next invoice
takes over: a row of the account, never an invoice. As any document it is final, so an import with balances
is not taken back: a credit note or a write-off answers them.
"""

from collections.abc import Sequence
from decimal import Decimal

from billing.invoices import invoicing
from families.custody import own
from families.imports import cells
from families.imports.people import is_own
from families.imports.records import Record, Ref, Run
from families.imports.registry import Column, Part
from families.models import Household, ImportedRow
from portal.french.amounts import euros
from portal.french.plurals import counted

KEY = "balance.amount"
ZERO = Decimal("0.00")


class OpeningBalances(Part):
    """One a household, in the town's own régie."""

    code, label, order = "opening_balances", "Soldes à la reprise", 70
    rights = ("billing.add_billingrun",)
    columns = (
        Column(
            KEY,
            "Solde à la reprise",
            ("solde", "solde famille", "solde du compte", "solde dû"),
            "Ce que la famille doit ; avec le signe −, ce que la mairie lui doit. Le même sur chaque ligne "
            "du foyer. Sa prochaine facture le reprend.",
            "42,60",
        ),
    )

    def plan(self, run: Run, lot: Sequence[Record]) -> None:
        said = [record for record in lot if record.text(KEY)]
        known = invoicing.opened({one.home.pk for one in said if one.home is not None and one.home.pk})
        told: dict[int, tuple[int, Decimal]] = run.memory.setdefault(self.code, {})
        for record in said:
            amount = record.read(run, KEY, cells.amount, needed=True)
            if amount is None or record.home is None or not record.counts:
                continue
            line, before = told.setdefault(id(record.home), (record.line, amount))
            if before != amount:
                record.wrong(KEY, f"ce foyer a un autre solde, {euros(before)}, à la ligne {line}.")
            elif line == record.line and amount:
                self._plan_one(run, record, record.home, amount, known.get(record.home.pk or 0))

    def _plan_one(
        self, run: Run, record: Record, home: Ref[Household], amount: Decimal, before: Decimal | None
    ) -> None:
        if before == amount:
            return
        if before is not None:
            record.wrong(
                KEY, f"ce foyer a déjà un solde repris, {euros(before)} : un avoir ou un abandon y répond."
            )
        elif is_own(run, home):
            record.wrong("", own.SOMEBODY_ELSE)
        else:
            record.is_new(f"solde de {euros(amount)} à la reprise", KEY)
            record.kept[self.code] = (home, amount)

    def write(self, run: Run, lot: Sequence[Record]) -> None:
        wanted: list[tuple[Record, tuple[Ref[Household], Decimal]]] = [
            (record, record.kept[self.code]) for record in lot if self.code in record.kept
        ]
        made = invoicing.open_accounts(
            {home.row.pk: amount for _, (home, amount) in wanted}, by=run.by, at=run.at
        )
        by_home = {one.household_id: one for one in made}
        for record, (home, _) in wanted:
            run.note(by_home[home.row.pk], of=record)

    def stands(self, made: Sequence[ImportedRow]) -> list[str]:
        if not made:
            return []
        told = counted(len(made), "solde repris est une pièce", "soldes repris sont des pièces")
        return [f"{told} du compte, qui ne s'efface pas : un avoir ou un abandon y répond"]
