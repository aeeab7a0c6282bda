"""Who writes a household's money holds its row: the guard that every test works under.

`HouseholdQuerySet.lock` is noted with the transaction it was called in. A statement that writes a table of
money is then refused where it comes from our code and no household is held by the transaction that it is in:
on PostgreSQL two such verbs would meet. Rows of the account say whose money it is: that very household.

What a test puts in place itself, the demo's own rows and migrations write before anybody is there.
"""

import re
import sys
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from billing.invoices import ledger
from billing.models import AccountEntry
from families.models.households import HouseholdQuerySet
from tests import ROOT

TABLES = (
    "billing_accountentry",
    "billing_seal",
    "billing_invoice",
    "billing_invoiceline",
    "billing_billeditem",
    "billing_creditnote",
    "billing_creditnoteline",
    "billing_crediteditem",
    "billing_statementcredit",
    "billing_writeoff",
    "billing_payment",
    "billing_paymentallocation",
    "billing_onlinepayment",
    "billing_onlinepaymentinvoice",
    "billing_onlinerefund",
    "billing_debit",
    "billing_depositslip",
    "billing_depositline",
    "billing_depositcancellation",
    "billing_newduedate",
    "billing_reallocation",
    "billing_transferrefund",
)
WRITES = re.compile(
    rf"""^\s*(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE|DELETE\s+FROM|COPY)\s+"?({"|".join(TABLES)})"?[\s(]""",
    re.IGNORECASE,
)
# Who did it, whose it was and whom the bank wrote to are forgotten in time: no money moves.
FORGETS = re.compile(
    r"""^UPDATE "\w+" SET (?:"(?:\w*by_id|email|url)" = (?:NULL|%s)(?:, )?|"household_id" = NULL)+ WHERE """
)
# Folders of ours whose statements are not looked at, and what is passed through on the way to the database.
BEFORE_ANYBODY = ("tests", "portal/demo", "portal/conformance", "billing/migrations", "families/migrations")
ON_THE_WAY = ("portal/database", ".venv")


class UnlockedMoney(AssertionError):
    """A verb wrote money of a household that it does not hold."""


class Held:
    """The households that the transactions of this connection hold."""

    def __init__(self) -> None:
        self._by_transaction: weakref.WeakKeyDictionary[Any, set[int]] = weakref.WeakKeyDictionary()

    def note(self, keys: Iterable[int]) -> None:
        block = _transaction()
        if block is not None:
            self._by_transaction.setdefault(block, set()).update(keys)

    def now(self) -> Collection[int]:
        block = _transaction()
        return self._by_transaction.get(block, set()) if block is not None else set()


def _transaction() -> Any:
    """The outermost block that is not the test's own: a commit ends with it, and so do the locks."""
    ours = [block for block in connection.atomic_blocks if not block._from_testcase]
    return ours[0] if ours else None


def _writer() -> str:
    """The file of ours that writes, as its path in the checkout; empty when nobody's of ours."""
    frame, root = sys._getframe(2), f"{ROOT}/"
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(root):
            path = file[len(root) :]
            if not path.startswith(ON_THE_WAY) and path != "tests/money_lock.py":
                return path
        frame = frame.f_back  # type: ignore[assignment]
    return ""


@contextmanager
def guarded() -> Iterator[Held]:
    """Under it, unlocked money raises UnlockedMoney."""
    held, lock = Held(), HouseholdQuerySet.lock

    def noted(rows: HouseholdQuerySet, *args: Any, **kwargs: Any) -> dict[int, int | None]:
        found = lock(rows, *args, **kwargs)
        held.note(found)
        return found

    def look(execute: Callable[..., Any], query: Any, params: Any, many: bool, context: Any) -> Any:
        found = WRITES.match(str(query))
        if found and not held.now() and not FORGETS.match(str(query)):
            writer = _writer()
            if writer and not writer.startswith(BEFORE_ANYBODY):
                raise UnlockedMoney(f"{writer} writes {found[1]} and holds no household: lock it first.")
        return execute(query, params, many, context)

    write = ledger._write

    def accounted(entries: Iterable[AccountEntry]) -> None:
        rows = list(entries)
        others = {one.household_id for one in rows} - set(held.now())
        if others and not _writer().startswith(BEFORE_ANYBODY):
            raise UnlockedMoney(f"{_writer()} writes the accounts of {others}, which it does not hold.")
        write(rows)

    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(look):
        patch.setattr(HouseholdQuerySet, "lock", noted)
        patch.setattr(ledger, "_write", accounted)
        yield held
