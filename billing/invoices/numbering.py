"""Continuous numbers per series and year, taken inside the transaction that issues."""

from dataclasses import dataclass

from django.db import connection, transaction

from billing.models import NumberCounter


@dataclass(frozen=True)
class DocumentNumber:
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

    def take(self, count: int = 1) -> list[DocumentNumber]:
        """The next `count` numbers."""
        first = self._counter.last + 1
        self._counter.last += count
        self._counter.save(update_fields=["last"])
        return _numbers(self._counter.series, self._counter.year, first, count)


def _numbers(series: str, year: int, first: int, count: int) -> list[DocumentNumber]:
    return [DocumentNumber(series, year, sequence) for sequence in range(first, first + count)]


def take(series: str, year: int, count: int) -> list[DocumentNumber]:
    """The next `count` numbers in one statement, for who needs the lock no earlier. In a transaction."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("Numbers are taken inside the issuing transaction.")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_numbercounter SET last = last + %s"
            " WHERE series = %s AND year = %s RETURNING last",
            [count, series, year],
        )
        found = cursor.fetchall()
    if not found:
        return Numbering(series, year).take(count)
    return _numbers(series, year, found[0][0] - count + 1, count)
