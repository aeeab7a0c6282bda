"""Rows that the database itself keeps as they are, whoever writes: triggers of SQLite and PostgreSQL.

aborts(…), calls(…), refuses(…)     one trigger of either, and the function that PostgreSQL's calls
append_only(name, sentence, models) a part of the schema: their rows are added, and stay as they are
"""

from collections.abc import Collection, Iterable

from django.db.models import SET_NULL, Model

from portal.database.schema import PieceKind, SchemaPart, SchemaPiece


def aborts(name: str, table: str, when: str, sentence: str, columns: Iterable[str] = ()) -> SchemaPiece:
    """A trigger of SQLite that refuses with a sentence; `when`: « BEFORE UPDATE ON families_reading ».

    `columns`: those of the table that `when` names, without which there can be no trigger.
    """
    quoted = sentence.replace("'", "''")
    body = f"{when} BEGIN SELECT RAISE(ABORT, '{quoted}'); END"
    return SchemaPiece(PieceKind.TRIGGER, f"{table}_{name}", body, table, frozenset(columns))


def calls(
    name: str, table: str, when: str, function: str, only: str = "", columns: Iterable[str] = ()
) -> SchemaPiece:
    """A trigger of PostgreSQL that calls a function of `refuses`, for each row of which `only` is true.

    `columns`: those of the table that `when` and `only` name, without which there can be no trigger.
    """
    condition = f" WHEN ({only})" if only else ""
    body = f"{when} FOR EACH ROW{condition} EXECUTE FUNCTION {function}()"
    return SchemaPiece(PieceKind.TRIGGER, f"{table}_{name}", body, table, frozenset(columns))


def refuses(function: str, sentence: str) -> SchemaPiece:
    """A function of PostgreSQL's triggers that refuses with a sentence."""
    quoted = sentence.replace("'", "''")
    return SchemaPiece(
        PieceKind.FUNCTION,
        function,
        f"""RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{quoted}' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
    )


def append_only(name: str, sentence: str, *models: type[Model], may_move: Collection[str] = ()) -> SchemaPart:
    """The part `name`: rows of these models are added and stay; `schema.lifted(name)` is the only way out.

    But a row that they point at may go (its key is then emptied) where the model says SET_NULL, and what the
    columns `may_move` point at may be another one.
    """
    function = f"{name.replace('.', '_')}_refuse"
    sqlite, postgresql = [], [refuses(function, sentence)]
    for model in models:
        table = model._meta.db_table
        changed = {vendor: _changed(model, differs, may_move) for vendor, differs in DIFFERS.items()}
        columns = [field.column or "" for field in model._meta.concrete_fields]
        unless = f"BEFORE UPDATE ON {table} WHEN {changed['sqlite']}"
        sqlite += [
            aborts("kept_update", table, unless, sentence, columns),
            aborts("kept_delete", table, f"BEFORE DELETE ON {table}", sentence),
        ]
        postgresql += [
            calls(
                "kept_update", table, f"BEFORE UPDATE ON {table}", function, changed["postgresql"], columns
            ),
            calls("kept_delete", table, f"BEFORE DELETE ON {table}", function),
        ]
    return SchemaPart(name, {"sqlite": sqlite, "postgresql": postgresql})


# How each says that two values, of which either may be missing, are not the same.
DIFFERS = {"sqlite": "IS NOT", "postgresql": "IS DISTINCT FROM"}


def _changed(model: type[Model], differs: str, may_move: Collection[str]) -> str:
    """The condition under which an update changes what stays."""
    conditions = []
    for field in model._meta.concrete_fields:
        if field.column in may_move:
            continue
        changed = f"OLD.{field.column} {differs} NEW.{field.column}"
        emptied = field.remote_field is not None and field.remote_field.on_delete is SET_NULL
        conditions.append(f"(NEW.{field.column} IS NOT NULL AND {changed})" if emptied else changed)
    return " OR ".join(conditions)
