"""The only writer of seals: a hash for each issued document, over its data and the hash of the one before.

    seal(documents)                   beside the ledger, in the transaction that issues; two queries, one more
                                      where documents have lines
    written(model, version, rows)     what documents say, as it is hashed
    FORMS[model]                      how documents of a model are written down, version by version

The caller holds the counter of the series (`Numbering`, `take`): the one before is there, and nobody adds
another. docs/money.md says the form byte for byte, so that any other program can compute the same hash.

A new kind of document adds its line to `FORMS`. What a form says is for ever: a document is verified by the
version it was sealed with, so what is to be hashed from now on is a new version behind the others.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Model, OuterRef, QuerySet, Subquery

from billing.models import (
    CreditNote,
    CreditNoteLine,
    DepositLine,
    DepositSlip,
    Invoice,
    InvoiceLine,
    Payment,
    Seal,
    WriteOff,
)
from portal.database.final import append_only

SEALS = append_only("billing.seals", "Une empreinte ne change plus, et ne s'efface pas.", Seal)
# What the first of a series and year follows. Years hang on themselves: a document dated 31 December may
# take its number after the first one of January.
GENESIS = "0" * 64
MONEY = Decimal("0.01")
ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r"})


@dataclass(frozen=True)
class Parts:
    """Rows that a document is made of, in the order of `position`: each fact of each is said."""

    name: str
    model: type[Model]
    document: str
    facts: Sequence[str]


@dataclass(frozen=True)
class Form:
    """What a version says of a document: facts that never change, as paths of its model."""

    document: str
    facts: Sequence[str]
    parts: Parts | None = None


LINE_FACTS = (
    "position",
    "kind",
    "child_name",
    "activity_name",
    "label",
    "days",
    "quantity",
    "unit_price",
    "amount",
    "explanation",
    "vat_percent",
    "care_percent",
    "analytic_code",
    "account_code",
    "carried__number",
)
# Not the household that a document is found under, which may be joined to another, nor a payment's state and
# days, which its bank says later: the account says those.
FORMS: dict[type[Model], Sequence[Form]] = {
    Invoice: (
        Form(
            "invoice",
            (
                "number",
                "kind",
                "month",
                "issued_at",
                "due_on",
                "payer",
                "address",
                "quotient",
                "issuer",
                "total",
                "line_count",
            ),
            Parts("line", InvoiceLine, "invoice", LINE_FACTS),
        ),
    ),
    CreditNote: (
        Form("credit", ("number", "invoice__number", "amount", "reason", "issued_at")),
        Form(
            "credit",
            (
                "number",
                "invoice__number",
                "amount",
                "reason",
                "freed",
                "becomes",
                "line_count",
                "issued_at",
            ),
            Parts(
                "line",
                CreditNoteLine,
                "note",
                ("position", "line__position", "label", "days", "quantity", "unit_price", "amount"),
            ),
        ),
    ),
    WriteOff: (
        Form(
            "writeoff",
            (
                "number",
                "invoice__number",
                "kind",
                "amount",
                "reason",
                "decision",
                "decided_on",
                "issued_at",
            ),
        ),
    ),
    Payment: (
        Form("payment", ("number", "amount", "means", "reference", "recorded_at", "refunds__number")),
        Form(
            "payment",
            (
                "number",
                "kind",
                "amount",
                "means",
                "reference",
                "recorded_at",
                "refunds__number",
                "because",
                "reason",
            ),
        ),
    ),
    # Not who paid by which cheque, which is forgotten with the payment.
    DepositSlip: (
        Form(
            "slip",
            ("number", "means", "deposited_on", "total", "line_count", "made_at"),
            Parts("line", DepositLine, "slip", ("position", "number", "amount")),
        ),
    ),
}


class Written(NamedTuple):
    """What a document says; `text` is all that is hashed but the first lines."""

    series: str
    year: int
    sequence: int
    number: str
    text: str


def every(model: type[Model]) -> QuerySet[Any]:
    """All documents of a model, statements among the invoices."""
    return Invoice.every.all() if model is Invoice else model._default_manager.all()


def seal(documents: Sequence[Model]) -> None:
    """Seals documents that were just written, with all that they are made of. In the issuing transaction."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("Documents are sealed inside the issuing transaction.")
    by_model: dict[type[Model], list[Any]] = defaultdict(list)
    for document in documents:
        by_model[type(document)].append(document.pk)
    for model, keys in by_model.items():
        _seal(model, keys)


def _seal(model: type[Model], keys: Sequence[Any]) -> None:
    version = len(FORMS[model])
    before = Seal.objects.filter(
        series=OuterRef("series"), year=OuterRef("year"), sequence__lt=OuterRef("sequence")
    ).order_by("-sequence")
    rows = every(model).filter(pk__in=keys).order_by("series", "year", "sequence")
    last: dict[tuple[str, int], str] = {}
    found = []
    for one, known in written(model, version, rows, Subquery(before.values("hash")[:1])):
        chain = one.series, one.year
        previous = last.get(chain, known or GENESIS)
        last[chain] = hashed(version, previous, one.text)
        found.append(
            Seal(
                series=one.series,
                year=one.year,
                sequence=one.sequence,
                number=one.number,
                version=version,
                hash=last[chain],
                previous=previous,
            )
        )
    Seal.objects.bulk_create(found, batch_size=2000)


def hashed(version: int, previous: str, text: str) -> str:
    return hashlib.sha256(f"seal={version}\nprevious={previous}\n{text}".encode()).hexdigest()


def written(
    model: type[Model], version: int, rows: QuerySet[Any], beside: Subquery | None = None
) -> Iterator[tuple[Written, Any]]:
    """Of each of these documents, in their order, what it says in that version, with what a query `beside`
    answers of it. One query, one more where the documents are made of parts."""
    form = FORMS[model][version - 1]
    names = _names(form.facts)
    if beside is not None:
        rows = rows.annotate(beside=beside)
    found = list(
        rows.values_list(
            "pk", "series", "year", "sequence", "number", *form.facts, *(["beside"] if beside else [])
        )
    )
    parts = _parts(form.parts, [row[0] for row in found]) if form.parts else {}
    for key, series, year, sequence, number, *rest in found:
        said = _said(names, rest[: len(names)])
        text = f"document={form.document}\n{said}{parts.get(key, '')}"
        yield Written(series, year, sequence, number, text), rest[-1] if beside else None


def _parts(parts: Parts, keys: Sequence[Any]) -> dict[Any, str]:
    """The text of each document's parts, in one query."""
    names = _names(parts.facts, f"{parts.name}.")
    rows = parts.model._default_manager.filter(**{f"{parts.document}__in": keys})
    found: dict[Any, list[str]] = defaultdict(list)
    for key, *values in rows.order_by(parts.document, "position").values_list(
        f"{parts.document}_id", *parts.facts
    ):
        found[key].append(_said(names, values))
    return {key: "".join(said) for key, said in found.items()}


def _names(facts: Sequence[str], prefix: str = "") -> list[str]:
    return [f"{prefix}{name.removesuffix('__number')}" for name in facts]


def _said(names: Sequence[str], values: Iterable[Any]) -> str:
    """« total=12.80 » and a line feed, a fact a line; of what has keys, a line a key."""
    return "".join(
        [
            f"{name}={_text(value)}\n"
            if not isinstance(value, dict)
            else _said([f"{name}.{key}" for key in sorted(value)], [value[key] for key in sorted(value)])
            for name, value in zip(names, values, strict=True)
        ]
    )


def _text(value: Any) -> str:
    # The commonest first: a town's books have millions of them.
    if isinstance(value, str):
        if "\\" in value or "\n" in value or "\r" in value:
            return value.translate(ESCAPED)
        return value
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
