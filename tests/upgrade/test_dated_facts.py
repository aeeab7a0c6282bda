"""What was true of children before facts had dates: it counts as it did, and what was billed stays billed."""

from datetime import date

from django.core.management import call_command

from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.models import Invoice, InvoiceLine
from families.models import Residence
from portal.reservations.models import Enrolment, Schooling
from tests.factories import paris
from tests.upgrade.conftest import migrate_to

BEFORE = "0002_staff_rights"
ENDED_AT = paris(2026, 11, 4, 0, 30)  # still the third in Greenwich


def test_an_enrolment_that_was_ended_ends_on_the_day_of_its_decision(left_by_0_2_0):
    before = migrate_to("reservations", BEFORE).get_model("reservations", "Enrolment")
    ended, lasting = before.objects.filter(state="accepted").order_by("pk").values_list("pk", flat=True)[:2]
    before.objects.filter(pk=ended).update(state="ended", decided_at=ENDED_AT)
    call_command("migrate", verbosity=0)
    assert Enrolment.objects.get(pk=ended).ends_on == date(2026, 11, 4)
    assert Enrolment.objects.get(pk=lasting).ends_on is None


def test_who_moved_never_and_stays_in_its_class_has_no_dates(left_by_0_2_0):
    call_command("migrate", verbosity=0)
    assert not Residence.objects.exists()
    assert not Schooling.objects.exclude(starts_on=None, ends_on=None).exists()
    assert Schooling.objects.exists()


def test_a_new_run_corrects_nothing_that_was_billed(left_by_0_2_0):
    call_command("migrate", verbosity=0)
    at = paris(2026, 11, 10, 8)
    known = set(Invoice.objects.values_list("pk", flat=True))
    assert known
    invoicing.issue(invoicing.start(Scope(date(2026, 11, 1)), by=None, at=at), at=at)
    new = InvoiceLine.objects.exclude(invoice_id__in=known)
    assert new.exists()
    corrected = new.filter(kind__in=(InvoiceLine.Kind.CREDIT, InvoiceLine.Kind.DEBIT))
    assert list(corrected.values_list("label", flat=True)) == []
