"""Countries and departments of birth as civil status names them (INSEE, code officiel géographique 2025)."""

import csv
import re
from functools import cache
from pathlib import Path

from families.funds.interface import FRANCE
from portal.french.spelling import folded

FILE = Path(__file__).parent / "countries.csv"
# 01 to 95 with Corsica's of today and of before 1976, and overseas.
DEPARTMENT = re.compile(r"0[1-9]|[1-8]\d|9[0-5]|2[AB]|97[1-8]|98[678]")


@cache
def countries() -> dict[str, str]:
    """Names by code: France, then all others in the order of names."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = [(row["code"], row["pays"]) for row in csv.DictReader(file, delimiter=";")]
    return dict(sorted(rows, key=lambda one: (one[0] != FRANCE, folded(one[1]))))


def is_department(text: str) -> bool:
    return DEPARTMENT.fullmatch(text) is not None
