"""Spreadsheets that the desk hands over: CSV for a French spreadsheet, no cell of which is a formula."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse

# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet(name: str, rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A CSV file as French spreadsheets read it: semicolons, a UTF-8 mark, no text taken for a formula."""
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(response, delimiter=";")
    for row in rows:
        writer.writerow([plain_cell(value) if isinstance(value, str) else value for value in row])
    return response


def plain_cell(text: str) -> str:
    """`text` as a CSV file holds it, so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
