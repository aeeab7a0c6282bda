"""Which codes of the budget a formula has today: its own, or, code by code, those of its activity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Q

from billing.models import BudgetCode
from portal.reservations.models import Formula


class Code(NamedTuple):
    """Analytic code and account; either may be empty."""

    analytic: str = ""
    account: str = ""


NO_CODE = Code()


@dataclass(frozen=True)
class Codes:
    """Of formulas, by their keys; those of which nobody said anything are not in it."""

    of_formula: Mapping[int, Code]

    @classmethod
    def today(cls) -> "Codes":
        """In one query."""
        rows = Formula.objects.filter(
            Q(budget_code__isnull=False) | Q(activity__budget_code__isnull=False)
        ).values_list(
            "pk",
            "budget_code__analytic",
            "activity__budget_code__analytic",
            "budget_code__account",
            "activity__budget_code__account",
        )
        return cls({key: Code(own or its or "", mine or other or "") for key, own, its, mine, other in rows})

    def of(self, formula: int | None) -> Code:
        return self.of_formula.get(formula, NO_CODE) if formula is not None else NO_CODE


def used() -> bool:
    """Whether the town says any code at all."""
    return BudgetCode.objects.exists()
