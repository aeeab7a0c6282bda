"""Issued documents never change, and the database itself says so: triggers on SQLite and PostgreSQL.

They are a part of the schema (`portal.database.schema`), put in place after every `migrate`. A migration that
changes rows of these tables, or columns that the triggers name, says `Lifted("billing.final", [operations])`.
"""

from portal.database.schema import PieceKind, SchemaPart, SchemaPiece

REFUSAL = "Un document émis ne change plus : seul un avoir y répond."
FINAL = ("billing_invoice", "billing_invoiceline", "billing_billeditem", "billing_creditnote")
LINE = "billing_invoiceline"
# A payment's state may change; its amount, its payer and its number never do.
PAYMENT = "billing_payment"
PAYMENT_COLUMNS = "amount, household_id, number, series, year, sequence, means"
TOO_MANY = """(SELECT count(*) FROM billing_invoiceline WHERE invoice_id = NEW.invoice_id)
    >= (SELECT line_count FROM billing_invoice WHERE id = NEW.invoice_id)"""


def _abort(name: str, table: str, when: str, sentence: str = REFUSAL) -> SchemaPiece:
    """A trigger of SQLite."""
    body = f"{when} BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
    return SchemaPiece(PieceKind.TRIGGER, f"{table}_{name}", body, table)


def _call(name: str, table: str, when: str, function: str = "billing_refuse") -> SchemaPiece:
    """A trigger of PostgreSQL."""
    body = f"{when} FOR EACH ROW EXECUTE FUNCTION {function}()"
    return SchemaPiece(PieceKind.TRIGGER, f"{table}_{name}", body, table)


SQLITE = [
    *(
        _abort(f"final_{event}", table, f"BEFORE {event} ON {table}")
        for table in FINAL
        for event in ("UPDATE", "DELETE")
    ),
    _abort("complete", LINE, f"BEFORE INSERT ON {LINE} WHEN {TOO_MANY}"),
    _abort("final_DELETE", PAYMENT, f"BEFORE DELETE ON {PAYMENT}", "Un règlement ne s''efface pas."),
    _abort(
        "final_UPDATE",
        PAYMENT,
        f"BEFORE UPDATE OF {PAYMENT_COLUMNS} ON {PAYMENT}",
        "Le montant d''un règlement ne change pas.",
    ),
]
POSTGRESQL = [
    SchemaPiece(
        PieceKind.FUNCTION,
        "billing_refuse",
        f"""RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
    ),
    SchemaPiece(
        PieceKind.FUNCTION,
        "billing_refuse_line",
        f"""RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {TOO_MANY} THEN
        RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$""",
    ),
    *(_call("final", table, f"BEFORE UPDATE OR DELETE ON {table}") for table in FINAL),
    _call("complete", LINE, f"BEFORE INSERT ON {LINE}", "billing_refuse_line"),
    _call("final_delete", PAYMENT, f"BEFORE DELETE ON {PAYMENT}"),
    _call("final_update", PAYMENT, f"BEFORE UPDATE OF {PAYMENT_COLUMNS} ON {PAYMENT}"),
]
FINAL_DOCUMENTS = SchemaPart("billing.final", {"sqlite": SQLITE, "postgresql": POSTGRESQL})
