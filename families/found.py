"""Indexes by which « Rechercher » finds people: on the folded columns, and on what accounts are called.

On PostgreSQL by three letters anywhere (`pg_trgm`); where the server does not have it, or the portal's role
may not make it, the same rows are found by reading them all. SQLite reads them all in any case, and narrow
indexes are faster to read than rows.
"""

from families.models.accounts import FORMS
from portal.database.schema import PieceKind, SchemaPart, SchemaPiece

TRIGRAMS = "pg_trgm"
# Each column by which people are found, with the household, or what leads to it.
COLUMNS = {
    ("families_guardian", "folded"): "household_id",
    ("families_child", "folded"): "id",
    ("families_household", "folded"): "id",
    ("families_guardian", "phone"): "household_id",
    ("families_guardian", "phone_work"): "household_id",
}
# Accounts have narrow indexes of these already.
CALLED = [("families_user", form) for form in FORMS.values()]


def _index(table: str, column: str, body: str, *, needs: str = "") -> SchemaPiece:
    name = f"{table}_found_by_{column}"
    return SchemaPiece(
        PieceKind.INDEX, name, f"ON {table} {body}", table, columns=frozenset({column}), needs=needs
    )


FOUND = SchemaPart(
    "families.found",
    {
        "postgresql": [
            SchemaPiece(PieceKind.EXTENSION, TRIGRAMS),
            *(
                _index(table, column, f"USING gin ({column} gin_trgm_ops)", needs=TRIGRAMS)
                for table, column in (*COLUMNS, *CALLED)
            ),
        ],
        "sqlite": [
            _index(table, column, f"({column}, {beside})") for (table, column), beside in COLUMNS.items()
        ],
    },
    where_possible=True,
)
