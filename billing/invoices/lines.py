"""Lines of invoices to be: presences of a child that cost the same for the same reason share one."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from billing.invoices.adults import MealDue
from billing.invoices.draft import Adjustment, Change, DraftedItem, DraftedLine, Kind
from billing.invoices.fees import FeeDue
from billing.invoices.flats import Asked, FlatPrices
from billing.invoices.presence_prices import NOTHING, Priced
from billing.invoices.reading import Billed, Presence
from billing.models import BilledItem, Invoice, ManualCharge, RecalculatedHousehold
from billing.rules import pricing

LONGEST_LABEL, LONGEST_EXPLANATION = 200, 600


class Lines:
    """Lines by household, in the order in which they were begun; `regies`: the régie that bills a formula for
    the first time. What an invoice billed stays with the régie of that invoice."""

    def __init__(self, flats: FlatPrices, regies: Mapping[int, int] | None = None) -> None:
        self.flats = flats
        self._regies = regies or {}
        self._lines: dict[Hashable, DraftedLine] = {}
        self.by_household: dict[int, list[DraftedLine]] = defaultdict(list)
        self.recalculated: list[RecalculatedHousehold] = []
        self.recalculated_by: dict[int, set[int | None]] = defaultdict(set)
        # By household, days of which what a number of presences costs is to be worked out again.
        self.counted_again: dict[int, set[date]] = defaultdict(set)

    def _begin(self, household: int, line: DraftedLine) -> DraftedLine:
        self.by_household[household].append(line)
        return line

    def bill(self, presence: Presence, priced: Priced, *, corrects: Invoice | None = None) -> None:
        """Adds the presence to the line that it joins. `corrects`: the invoice that billed it otherwise."""
        price, tariff = priced.quote.price, priced.quote.tariff
        key = (
            presence.household,
            presence.child,
            presence.activity,
            presence.formula,
            priced.kind,
            priced.suffix,
            priced.unit_price,
            tariff.pk,
            price.band,
            priced.flat,
            corrects and corrects.number,
        )
        line = self._lines.get(key)
        if line is None:
            line = self._begin(presence.household, self._line(presence, priced, corrects))
            self._lines[key] = line
        line.quantity += priced.units
        attendance = presence.attendance
        line.days.append(presence.day)
        line.items.append(
            DraftedItem(
                turn=presence.turn,
                amount=priced.amount,
                booking=presence.booking,
                attendance=attendance.pk if presence.booking is None and attendance else None,
                counted=priced.counted,
                minutes=presence.minutes,
            )
        )

    def _line(self, presence: Presence, priced: Priced, corrects: Invoice | None) -> DraftedLine:
        """A line to be joined; that of a flat price counts one, once."""
        price, tariff = priced.quote.price, priced.quote.tariff
        kind, label = priced.kind, f"{presence.formula_name}{priced.suffix}"
        steps = [] if kind in (Kind.FREE, Kind.QUANTITY) else [f"{step}." for step in _steps(price)]
        if corrects and kind == Kind.PRESENCE:
            kind, label = Kind.DEBIT, f"{label} – régularisation"
            steps.insert(0, f"Pointage corrigé après la facture {corrects.number}.")
        line = DraftedLine(
            kind=kind,
            label=label,
            unit_price=priced.unit_price,
            child=presence.child,
            child_name=presence.child_name,
            formula=presence.formula,
            activity_name=presence.activity_name,
            explanation=" ".join(steps)[:LONGEST_EXPLANATION],
            vat_percent=tariff.vat_percent,
            care_percent=tariff.care_percent,
            regie=corrects.regie_id if corrects else self._regies.get(presence.formula),
        )
        if priced.flat:
            line.quantity = Decimal(1)
            due = self.flats.due(
                Asked(priced.flat, presence.activity, presence.establishment, priced.unit_price, tariff)
            )
            if due:
                line.unit_price = due.amount
                line.explanation = " ".join([line.explanation, *(f"{step}." for step in due.steps)])[
                    :LONGEST_EXPLANATION
                ].strip()
                line.items.append(DraftedItem(turn=due.turn, amount=due.amount, flat=due.name))
            else:
                line.unit_price = NOTHING
                line.label = f"{presence.formula_name} – forfait déjà facturé"
        return line

    def take_back(self, billed: Billed, why: str) -> None:
        """Adds what takes the billing back to the line that it joins."""
        item, line_billed = billed.item, billed.item.line
        invoice = line_billed.invoice
        key = (
            invoice.household_id,
            line_billed.child_id,
            line_billed.formula_id,
            invoice.pk,
            line_billed.label,
            item.amount,
            why,
        )
        line = self._lines.get(key)
        if line is None:
            line = DraftedLine(
                kind=Kind.CREDIT,
                label=f"{line_billed.label} : {why} après la facture {invoice.number}"[:LONGEST_LABEL],
                unit_price=-item.amount or NOTHING,
                child=line_billed.child_id,
                child_name=line_billed.child_name,
                formula=line_billed.formula_id,
                activity_name=line_billed.activity_name,
                vat_percent=line_billed.vat_percent,
                care_percent=line_billed.care_percent,
                regie=invoice.regie_id,
            )
            if line_billed.formula_id is None:
                line.analytic_code, line.account_code = line_billed.analytic_code, line_billed.account_code
            self._lines[key] = self._begin(invoice.household_id, line)
        line.quantity += 1
        if not item.flat and item.fee_id is None:
            line.days.append(billed.day)
        line.items.append(
            DraftedItem(
                turn=item.turn + 1,
                amount=-item.amount or NOTHING,
                booking=item.booking_id,
                attendance=item.attendance_id,
                flat=item.flat,
                fee=item.fee_id,
                meal=item.meal_id,
            )
        )

    def billing(self, change: Change, item: BilledItem | None) -> int | None:
        """Whose a recalculated day is: the régie's that billed it."""
        regie = self._regies.get(change.formula or 0) if item is None else item.line.invoice.regie_id
        self.recalculated_by[change.household].add(regie)
        return regie

    def bill_again(self, change: Change, flat: str, turn: int, regie: int | None) -> None:
        """Adds what a recalculated day, or flat price (`flat`: its name), costs to the line that it joins."""
        key = (
            change.household,
            regie,
            change.child,
            change.formula,
            change.kind,
            change.label,
            change.unit_price,
            change.explanation,
            change.flat,
        )
        line = self._lines.get(key)
        if line is None:
            line = DraftedLine(
                kind=change.kind,
                label=change.label[:LONGEST_LABEL],
                unit_price=change.unit_price,
                child=change.child,
                child_name=change.child_name,
                formula=change.formula,
                activity_name=change.activity_name,
                explanation=change.explanation[:LONGEST_EXPLANATION],
                vat_percent=change.vat_percent,
                care_percent=change.care_percent,
                regie=regie,
            )
            self._lines[key] = self._begin(change.household, line)
        line.quantity += change.quantity
        if change.day is not None:
            line.days.append(change.day)
        line.items.append(
            DraftedItem(
                turn=turn,
                amount=change.amount,
                booking=change.booking,
                attendance=change.attendance,
                flat=flat,
                counted=change.counted,
                minutes=change.minutes,
            )
        )

    def regie_of(self, formula: int | None) -> int | None:
        """The régie that bills a formula for the first time."""
        return self._regies.get(formula or 0)

    def add_for_number(self, found: Adjustment) -> None:
        """Adds what the number of a child's presences changes, a line of its own."""
        line = DraftedLine(
            kind=Kind.QUANTITY,
            label=found.label[:LONGEST_LABEL],
            unit_price=found.amount,
            quantity=Decimal(1),
            child=found.child,
            child_name=found.child_name,
            formula=found.formula,
            activity_name=found.activity_name,
            explanation=found.explanation[:LONGEST_EXPLANATION],
            vat_percent=found.vat_percent,
            care_percent=found.care_percent,
            regie=self.regie_of(found.formula),
            until=found.until,
        )
        line.items.append(DraftedItem(turn=found.turn, amount=found.amount, flat=found.name))
        self._begin(found.household, line)

    def charge(self, charge: ManualCharge) -> None:
        """Adds a line by hand."""
        line = DraftedLine(
            kind=Kind.MANUAL,
            label=charge.label,
            unit_price=charge.unit_price,
            quantity=charge.quantity,
            child=charge.child_id,
            child_name=str(charge.child or ""),
            # What the desk types as a reason stays at the desk; of a day given up, it is the calculation.
            explanation=f"{charge.reason}." if charge.given_up_id else "",
            manual=charge,
            regie=charge.regie_id,
        )
        if charge.card is not None:
            sold = charge.card.card
            line.explanation, line.vat_percent = f"{charge.reason}.", sold.vat_percent
            line.analytic_code, line.account_code = sold.analytic, sold.account
        self._begin(charge.household_id, line)

    def ask(self, due: FeeDue) -> None:
        """Adds a fee of the year, once."""
        row, fee = due.row, due.row.fee
        line = DraftedLine(
            kind=Kind.FEE,
            label=row.label,
            unit_price=row.amount,
            quantity=Decimal(1),
            child=row.child_id,
            child_name=str(row.child or ""),
            explanation=row.explanation,
            vat_percent=fee.vat_percent,
            regie=fee.regie_id,
            analytic_code=fee.analytic,
            account_code=fee.account,
            items=[DraftedItem(turn=due.turn, amount=row.amount, fee=row.pk)],
        )
        self._begin(row.household_id, line)

    def serve(self, due: MealDue) -> None:
        """Adds an adult's meal to the line that it joins: those that cost the same for the same reason."""
        meal = due.meal
        key = (meal.diner_id, meal.formula_id, due.amount, due.late, due.vat_percent)
        line = self._lines.get(key)
        if line is None:
            label = f"{meal.formula.name}, adulte" + (", réservé après le délai" if due.late else "")
            line = DraftedLine(
                kind=Kind.MEAL,
                label=label[:LONGEST_LABEL],
                unit_price=due.amount,
                child_name=str(meal.diner),
                formula=meal.formula_id,
                activity_name=meal.formula.activity.name,
                vat_percent=due.vat_percent,
                regie=self._regies.get(meal.formula_id),
            )
            self._lines[key] = self._begin(meal.diner.household_id, line)
        line.quantity += 1
        line.days.append(meal.day)
        line.items.append(DraftedItem(turn=due.turn, amount=due.amount, meal=meal.pk))

    def take_over(self, statement: Invoice) -> None:
        """Adds what a statement carried over, line by line, so that the invoice says what it is made of."""
        for row in statement.lines.all():
            if row.amount:
                line = DraftedLine(
                    kind=Kind.CARRIED,
                    label=f"{row.label} – report de {statement.month_name}"[:LONGEST_LABEL],
                    unit_price=row.unit_price,
                    quantity=row.quantity,
                    child=row.child_id,
                    child_name=row.child_name,
                    formula=row.formula_id,
                    activity_name=row.activity_name,
                    explanation=row.explanation,
                    vat_percent=row.vat_percent,
                    care_percent=row.care_percent,
                    carried=statement,
                    regie=statement.regie_id,
                )
                if row.formula_id is None:
                    line.analytic_code, line.account_code = row.analytic_code, row.account_code
                self._begin(statement.household_id, line)


def _steps(price: pricing.Price) -> Sequence[str]:
    """The explanation without its last sentence, the quantity: the line has its own."""
    return price.steps[:-1] if price.quantity != 1 else price.steps
