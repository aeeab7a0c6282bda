"""Issued documents never change, and the database itself says so: triggers on SQLite and PostgreSQL.

They are a part of the schema (`portal.database.schema`), put in place after every `migrate`. A migration that
changes rows of these tables, or columns that the triggers name, says `Lifted("billing.final", [operations])`.
"""

from portal.database.final import aborts, calls, refuses
from portal.database.schema import PieceKind, SchemaPart, SchemaPiece

REFUSAL = "Un document émis ne change plus : seul un avoir y répond."
FINAL = ("billing_invoice", "billing_invoiceline", "billing_billeditem", "billing_creditnote")
LINE = "billing_invoiceline"
# A payment's state may change; its amount, its payer and its number never do.
PAYMENT = "billing_payment"
PAYMENT_COLUMNS = "amount, household_id, number, series, year, sequence, means"
TOO_MANY = """(SELECT count(*) FROM billing_invoiceline WHERE invoice_id = NEW.invoice_id)
    >= (SELECT line_count FROM billing_invoice WHERE id = NEW.invoice_id)"""

SQLITE = [
    *(
        aborts(f"final_{event}", table, f"BEFORE {event} ON {table}", REFUSAL)
        for table in FINAL
        for event in ("UPDATE", "DELETE")
    ),
    aborts("complete", LINE, f"BEFORE INSERT ON {LINE} WHEN {TOO_MANY}", REFUSAL),
    aborts("final_DELETE", PAYMENT, f"BEFORE DELETE ON {PAYMENT}", "Un règlement ne s'efface pas."),
    aborts(
        "final_UPDATE",
        PAYMENT,
        f"BEFORE UPDATE OF {PAYMENT_COLUMNS} ON {PAYMENT}",
        "Le montant d'un règlement ne change pas.",
    ),
]
POSTGRESQL = [
    refuses("billing_refuse", REFUSAL),
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
    *(calls("final", table, f"BEFORE UPDATE OR DELETE ON {table}", "billing_refuse") for table in FINAL),
    calls("complete", LINE, f"BEFORE INSERT ON {LINE}", "billing_refuse_line"),
    calls("final_delete", PAYMENT, f"BEFORE DELETE ON {PAYMENT}", "billing_refuse"),
    calls("final_update", PAYMENT, f"BEFORE UPDATE OF {PAYMENT_COLUMNS} ON {PAYMENT}", "billing_refuse"),
]
FINAL_DOCUMENTS = SchemaPart("billing.final", {"sqlite": SQLITE, "postgresql": POSTGRESQL})
