"""People from files: what towns have in spreadsheets becomes households, adults, children, what is theirs.

The engine reads a table (`portal.files.sheets`), finds which column is which (`headings`), and hands its
rows, a lot at a time, to the parts that the apps register:

    class Quotients(registry.Part):
        code, label, order = "quotients", "Quotients", 40
        columns = (Column("quotient.value", "Quotient familial", ("qf", "quotient caf"), "…", "412,50"),)
        doubts = (Doubt("old_quotient", "Quotient plus ancien que l'actuel", (("write", "L'écrire"),)),)

        def plan(self, run, lot): …    says in rows what they would do; reads in a fixed number of queries
        def write(self, run, lot): …   writes it in bulk, noting each row: run.note(row, of=record)

    registry.register(Quotients())       in the app's `ready`

A part none of whose columns is in the file is not called. Of a record (`records.Record`) it reads

    record.text("quotient.value")        the cell as text, or ""
    record.read(run, "quotient.since", cells.day)       a value; what cannot be read is a doubt
    record.child, record.home, record.adults            `Ref`s; `ref.row` is the model's row, `ref.pk` None
                                                        until it is written: never so in `write`
    record.homes                         all homes the row speaks of, `record.home` first

and says in it, in `plan`:

    record.is_new("quotient : 412")      something is added
    record.changes("quotient.value", "380", "412")
    record.wrong("quotient.value", "le quotient est négatif.")      the row is left out, whole
    choice = record.doubt(run, "old_quotient", "quotient.value", "un quotient plus récent est connu.")
        one of the choices of the Doubt, or None: nobody has decided yet, or the row is left out. Then return.

`plan` is called for the dry run and again, with the same decisions, within the one transaction that writes;
`write` comes after every part has planned the lot, and only sees records that nothing speaks against
(`record.counts`). What a part plans for a record it keeps in `record.kept[self.code]`; what it knows of the
whole file in `run.memory`. Order: 10 households, adults and children (this app); 20 schooling; 30 enrolments;
40 quotients; 50 diets; 60 and more: apps above.

« Annuler cet import » deletes what `run.note(row, of=record)` said was made and puts back what
`run.note(row, of=record, before={"phone": "…"})` said was changed, unless something else stands on it. A part
whose rows may not be deleted (a ledger) overrides `stands` and `take_back`.

    registry.columns()   every column there is, in order: headings, examples and rules for files to download
"""
