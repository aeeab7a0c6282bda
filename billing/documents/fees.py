"""What a family reads of fees a year before it enrols: how much, or that it is asked already."""

from collections.abc import Sequence
from datetime import date

from billing.invoices import fees
from billing.invoices.fees import Wanted
from billing.models import HouseholdFee
from billing.prices.fees import town_fees
from families.models import Child, Household
from portal.french.amounts import euros
from portal.reservations.models import Activity, SchoolYear


def asked(
    household: Household, child: Child, activities: Sequence[Activity], year: SchoolYear, first: date
) -> list[str]:
    """« Adhésion 2026-2027 : 15,00 €, une fois par famille. », a sentence a fee that an enrolment for one of
    these activities asks for from a day on. Without a query where none does."""
    wanted = {one.pk: one for one in activities}
    asking = [fee for fee in town_fees() if any(one.pk in wanted for one in fee.activities.all())]
    if not asking:
        return []
    found = fees.read(
        asking,
        year.ends_on,
        households=[household.pk],
        wanted=[
            Wanted(household, child, pk, first, (year.starts_on, year.ends_on), year.name) for pk in wanted
        ],
    )
    last = max(year.ends_on, first)
    said = [_already(row) for row in found.kept if _concerns(row, household, child, first, last)]
    said += [_said(one.row) for one in found.due if _concerns(one.row, household, child, first, last)]
    named = len({one.pk for fee in asking for one in fee.activities.all()} & wanted.keys()) < len(wanted)
    if not named or not said:
        return said
    # Some of the activities ask for nothing.
    names = sorted(
        {str(wanted[one.pk]) for fee in asking for one in fee.activities.all() if one.pk in wanted}
    )
    return [*said, f"Demandé pour : {', '.join(names)}."]


def _concerns(row: HouseholdFee, household: Household, child: Child, first: date, last: date) -> bool:
    whose = row.household_id == household.pk if row.child_id is None else row.child_id == child.pk
    return whose and row.starts_on <= last and first <= row.ends_on


def _already(row: HouseholdFee) -> str:
    return f"{row.label} : déjà demandé, rien de plus à payer."


def _said(row: HouseholdFee) -> str:
    once = row.explanation[:1].lower() + row.explanation[1:]
    return f"{row.label} : {euros(row.amount)}, {once}" if row.amount else f"{row.label} : gratuit."
