"""Continuous numbers per series and year, taken inside the transaction that issues."""

from dataclasses import dataclass

from django.db import transaction

from billing.models import NumberCounter


@dataclass(frozen=True)
class Number:
    """« F2026-000042 »."""

    series: str
    year: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.series}{self.year}-{self.sequence:06d}"

    @property
    def fields(self) -> dict[str, object]:
        """For the row that bears it."""
        return {"number": str(self), "series": self.series, "year": self.year, "sequence": self.sequence}


class Numbering:
    """Holds the counter's lock until the transaction ends: others wait, and a rollback leaves no gap."""

    def __init__(self, series: str, year: int) -> None:
        if not transaction.get_connection().in_atomic_block:
            raise transaction.TransactionManagementError("Numbers are taken inside the issuing transaction.")
        # Created without a lock by the first of a year; found and locked by one query ever after.
        self._counter, _ = NumberCounter.objects.select_for_update().get_or_create(series=series, year=year)

    def take(self, count: int = 1) -> list[Number]:
        """The next `count` numbers."""
        first = self._counter.last + 1
        self._counter.last += count
        self._counter.save(update_fields=["last"])
        return [
            Number(self._counter.series, self._counter.year, sequence)
            for sequence in range(first, first + count)
        ]
