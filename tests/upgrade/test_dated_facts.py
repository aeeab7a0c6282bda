"""What was true of children before facts had dates: it counts as it did, and what was billed stays billed."""

from datetime import date

from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.models import Invoice, InvoiceLine
from families.models import Residence
from portal.reservations.models import Schooling
from tests.factories import paris
from tests.upgrade.conftest import undone


def test_only_who_told_so_since_has_moved_or_changed_class(upgraded):
    tells_days = tuple(map(int, upgraded.version.split("."))) >= (0, 4)
    assert Residence.objects.exists() is tells_days
    assert Schooling.objects.exclude(starts_on=None, ends_on=None).exists() is tells_days


def test_a_new_run_corrects_nothing_that_was_billed(upgraded):
    at = paris(2026, 11, 10, 8)
    known = set(Invoice.objects.values_list("pk", flat=True))
    assert known
    with undone():
        invoicing.issue(invoicing.start(Scope(date(2026, 11, 1)), by=None, at=at), at=at)
        new = InvoiceLine.objects.exclude(invoice_id__in=known)
        assert new.exists()
        corrected = new.filter(kind__in=(InvoiceLine.Kind.CREDIT, InvoiceLine.Kind.DEBIT))
        assert list(corrected.values_list("label", flat=True)) == []
