"""Issued documents never change, and the database itself says so: triggers on SQLite and PostgreSQL.

They are a part of the schema (`portal.database.schema`), put in place after every `migrate`. A migration that
changes rows of these tables, or columns that the triggers name, says `Lifted("billing.final", [operations])`.

Under which household a document is found is no part of it: it prints its payer's name and address itself. It
moves by one way only, where its households were joined (`JoinedAccount`), and with nothing else of it.

A document is deleted by one way only: its former one stands (`FormerDocument`: same number, year and amount),
which the database takes only ten years after the document's year, and which is final itself.
"""

from portal.database.final import aborts, calls, refuses
from portal.database.schema import PieceKind, SchemaPart, SchemaPiece

PAYMENT_STAYS = "Un règlement reste à son foyer."
REFUSAL = "Un document émis ne change plus : seul un avoir y répond."
FORMER = "billing_formerdocument"
FINAL = (
    "billing_invoice",
    "billing_invoiceline",
    "billing_billeditem",
    "billing_creditnote",
    "billing_creditnoteline",
    "billing_crediteditem",
    "billing_statementcredit",
    "billing_writeoff",
)
LINE = "billing_invoiceline"
CREDIT_LINE = "billing_creditnoteline"
# A payment's state may change; its amount, its payer and its number never do.
PAYMENT = "billing_payment"
PAYMENT_COLUMNS = (
    "amount",
    "number",
    "series",
    "year",
    "sequence",
    "means",
    "regie_id",
    "kind",
    "refunds_id",
    "because",
    "reason",
)
PAYMENT_CHANGES = f"BEFORE UPDATE OF {', '.join(PAYMENT_COLUMNS)} ON {PAYMENT}"
PAYMENT_MOVES = f"BEFORE UPDATE OF household_id ON {PAYMENT}"
YEAR_COLUMNS = ("removed_on", "removed_year")
INVOICE = "billing_invoice"
# What an invoice says, column by column: all but where it is found.
SAID = (
    "id",
    "kind",
    "number",
    "series",
    "year",
    "sequence",
    "run_id",
    "regie_id",
    "month",
    "issued_at",
    "due_on",
    "payer",
    "address",
    "quotient",
    "issuer",
    "total",
    "line_count",
)
FOUND_UNDER = ("household_id", "first_household_id")
# What is noted of them beside, and by which columns; it goes with them.
NOTED = {
    "billing_newduedate": ("invoice_id", "due_on", "reason", "at"),
    "billing_reallocation": ("payment_id", "paid_before", "pays_now", "reason", "at"),
}
# Its households are one from now on.
JOINED = """EXISTS (SELECT 1 FROM billing_joinedaccount j
    WHERE j.emptied_id = OLD.household_id AND j.kept_id = NEW.household_id)"""
TOO_MANY = """(SELECT count(*) FROM billing_invoiceline WHERE invoice_id = NEW.invoice_id)
    >= (SELECT line_count FROM billing_invoice WHERE id = NEW.invoice_id)"""
TOO_MANY_CREDITED = """(SELECT count(*) FROM billing_creditnoteline WHERE note_id = NEW.note_id)
    >= (SELECT line_count FROM billing_creditnote WHERE id = NEW.note_id)"""


def _stands(kind: str, amount: str, row: str = "OLD") -> str:
    """That the former one of a document stands."""
    same = " AND ".join(
        f"f.{name} = {row}.{field}"
        for name, field in (("number", "number"), ("year", "year"), ("amount", amount))
    )
    return f"EXISTS (SELECT 1 FROM {FORMER} f WHERE f.kind = '{kind}' AND {same})"  # noqa: S608 (no input)


_INVOICE = _stands("invoice", "total", "i")
_INVOICE_OF_LINE = f"SELECT 1 FROM billing_invoice i WHERE i.id = OLD.invoice_id AND {_INVOICE}"  # noqa: S608
_INVOICE_OF_ITEM = f"""SELECT 1 FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
    WHERE l.id = OLD.line_id AND {_INVOICE}"""  # noqa: S608
_NOTE = _stands("credit", "amount", "n")
_NOTE_OF_LINE = f"SELECT 1 FROM billing_creditnote n WHERE n.id = OLD.note_id AND {_NOTE}"  # noqa: S608
_NOTE_OF_ITEM = f"""SELECT 1 FROM billing_creditnoteline l JOIN billing_creditnote n ON n.id = l.note_id
    WHERE l.id = OLD.line_id AND {_NOTE}"""  # noqa: S608
_PAYMENT_OF_IT = f"""SELECT 1 FROM billing_payment p WHERE p.id = OLD.payment_id
    AND {_stands("payment", "amount", "p")}"""  # noqa: S608
_FIRST = "NEW.first_household_id = COALESCE(OLD.first_household_id, OLD.household_id)"


def _moves(differs: str) -> str:
    """That an invoice is found elsewhere, and says the same; `differs`: how two values are not."""
    same = " AND ".join(f"NOT (OLD.{name} {differs} NEW.{name})" for name in SAID)
    return f"{JOINED} AND {_FIRST} AND {same}"


# Of each table, when a row of it may go.
MAY_GO = {
    "billing_invoice": _stands("invoice", "total"),
    "billing_invoiceline": f"EXISTS ({_INVOICE_OF_LINE})",
    "billing_billeditem": f"EXISTS ({_INVOICE_OF_ITEM})",
    "billing_creditnote": _stands("credit", "amount"),
    "billing_creditnoteline": f"EXISTS ({_NOTE_OF_LINE})",
    "billing_crediteditem": f"EXISTS ({_NOTE_OF_ITEM})",
    "billing_statementcredit": f"EXISTS ({_NOTE_OF_LINE})",
    "billing_writeoff": _stands("writeoff", "amount"),
    PAYMENT: _stands("payment", "amount"),
    "billing_newduedate": f"EXISTS ({_INVOICE_OF_LINE})",
    "billing_reallocation": f"EXISTS ({_PAYMENT_OF_IT})",
}


def _noted_changes(table: str) -> str:
    return f"BEFORE UPDATE OF {', '.join(NOTED[table])} ON {table}"


SQLITE = [
    aborts(
        "final_UPDATE",
        INVOICE,
        f"BEFORE UPDATE ON {INVOICE} WHEN NOT ({_moves('IS NOT')})",
        REFUSAL,
        (*SAID, *FOUND_UNDER),
    ),
    *(
        aborts("final_UPDATE", table, f"BEFORE UPDATE ON {table}", REFUSAL)
        for table in (*FINAL, FORMER)
        if table != INVOICE
    ),
    aborts(
        "follows",
        PAYMENT,
        f"{PAYMENT_MOVES} WHEN NEW.household_id <> OLD.household_id AND NOT {JOINED}",
        PAYMENT_STAYS,
        ["household_id"],
    ),
    *(
        aborts("final_DELETE", table, f"BEFORE DELETE ON {table} WHEN NOT {MAY_GO[table]}", REFUSAL)
        for table in (*FINAL, *NOTED)
    ),
    *(aborts("final_UPDATE", table, _noted_changes(table), REFUSAL, NOTED[table]) for table in NOTED),
    aborts("final_DELETE", FORMER, f"BEFORE DELETE ON {FORMER}", REFUSAL),
    aborts(
        "says_its_year",
        FORMER,
        f"BEFORE INSERT ON {FORMER} WHEN CAST(strftime('%Y', NEW.removed_on) AS INTEGER) <> NEW.removed_year",
        REFUSAL,
        YEAR_COLUMNS,
    ),
    aborts("complete", LINE, f"BEFORE INSERT ON {LINE} WHEN {TOO_MANY}", REFUSAL, ["invoice_id"]),
    aborts(
        "complete",
        CREDIT_LINE,
        f"BEFORE INSERT ON {CREDIT_LINE} WHEN {TOO_MANY_CREDITED}",
        REFUSAL,
        ["note_id"],
    ),
    aborts(
        "final_DELETE",
        PAYMENT,
        f"BEFORE DELETE ON {PAYMENT} WHEN NOT {MAY_GO[PAYMENT]}",
        "Un règlement ne s'efface pas.",
    ),
    aborts(
        "final_UPDATE",
        PAYMENT,
        PAYMENT_CHANGES,
        "Le montant d'un règlement ne change pas.",
        PAYMENT_COLUMNS,
    ),
]


def _unless(name: str, condition: str, sentence: str, row: str) -> SchemaPiece:
    """PostgreSQL's function that refuses unless a condition holds; `row`: what goes on then, OLD or NEW."""
    return SchemaPiece(
        PieceKind.FUNCTION,
        name,
        f"""RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT ({condition}) THEN
        RAISE EXCEPTION '{sentence}' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN {row};
END $$""",
    )


def _keep(table: str) -> SchemaPiece:
    """For the deletion of a row of this table."""
    return _unless(f"billing_keep_{table.removeprefix('billing_')}", MAY_GO[table], REFUSAL, "OLD")


POSTGRESQL = [
    refuses("billing_refuse", REFUSAL),
    _unless("billing_refuse_line", f"NOT ({TOO_MANY})", REFUSAL, "NEW"),
    _unless("billing_refuse_credit_line", f"NOT ({TOO_MANY_CREDITED})", REFUSAL, "NEW"),
    *(_keep(table) for table in MAY_GO),
    _unless("billing_move_invoice", _moves("IS DISTINCT FROM"), REFUSAL, "NEW"),
    _unless("billing_move_payment", f"NEW.household_id = OLD.household_id OR {JOINED}", PAYMENT_STAYS, "NEW"),
    calls(
        "final", INVOICE, f"BEFORE UPDATE ON {INVOICE}", "billing_move_invoice", columns=(*SAID, *FOUND_UNDER)
    ),
    calls("follows", PAYMENT, PAYMENT_MOVES, "billing_move_payment", columns=["household_id"]),
    *(
        calls("final", table, f"BEFORE UPDATE ON {table}", "billing_refuse")
        for table in FINAL
        if table != INVOICE
    ),
    calls("final", FORMER, f"BEFORE UPDATE OR DELETE ON {FORMER}", "billing_refuse"),
    calls(
        "says_its_year",
        FORMER,
        f"BEFORE INSERT ON {FORMER}",
        "billing_refuse",
        "EXTRACT(YEAR FROM NEW.removed_on) <> NEW.removed_year",
        YEAR_COLUMNS,
    ),
    *(
        calls("final_delete", table, f"BEFORE DELETE ON {table}", _keep(table).name)
        for table in (*FINAL, PAYMENT, *NOTED)
    ),
    *(
        calls("final", table, _noted_changes(table), "billing_refuse", columns=NOTED[table])
        for table in NOTED
    ),
    calls("complete", LINE, f"BEFORE INSERT ON {LINE}", "billing_refuse_line"),
    calls("complete", CREDIT_LINE, f"BEFORE INSERT ON {CREDIT_LINE}", "billing_refuse_credit_line"),
    calls("final_update", PAYMENT, PAYMENT_CHANGES, "billing_refuse", columns=PAYMENT_COLUMNS),
]
FINAL_DOCUMENTS = SchemaPart("billing.final", {"sqlite": SQLITE, "postgresql": POSTGRESQL})
