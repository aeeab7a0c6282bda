"""A month that is issued by a process which is killed in the middle, then by eight at once.

`python -m tests.billing.invoices.issuing` does so on the database of DATABASE_URL, migrated and empty, and
writes what came of it as JSON. Not a test by itself: test_killed.py starts it and judges.
"""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import date

import django

if __name__ == "__main__":
    django.setup()

from django.core.management import call_command
from django.utils import timezone

from billing.documents import verifying
from billing.models import BilledItem, BillingRun, FormulaTariff, Invoice, Tariff, TariffBand
from families.models import Child, Custody, Guardian, Household
from portal.reservations.models import Activity, Booking, Enrolment, Establishment, Formula, SchoolYear
from portal.reservations.states import BookingState
from tests import ROOT
from tests.portal.reservations.race import at_once

MONTH = "2026-03"
DAYS = [date(2026, 3, day) for day in (2, 3, 5, 6)]
HOUSEHOLDS, ISSUERS = 40, 8


def seed(households: int = HOUSEHOLDS, days: Sequence[date] = DAYS) -> None:
    """So many families ate on these days, four of March, at 3.20."""
    year = SchoolYear.objects.create(name="2025-2026", starts_on=date(2025, 9, 1), ends_on=date(2026, 7, 3))
    place = Establishment.objects.create(code="verger", name="Le Verger", kind="restaurant")
    activity = Activity.objects.create(code="cantine", name="Restauration", service="catering")
    formula = Formula.objects.create(activity=activity, code="repas", name="Repas", parts=["noon"])
    tariff = Tariff.objects.create(code="repas", name="Repas", kind="flat")
    TariffBand.objects.create(tariff=tariff, prices={"": "3.20"})
    FormulaTariff.objects.create(formula=formula, tariff=tariff)
    for number in range(households):
        home = Household.objects.create(street="1 rue", postcode="01999", city="Ville", state="accepted")
        Guardian.objects.create(household=home, first_name="Camille", last_name=f"N{number}")
        child = Child.objects.create(first_name="Lina", last_name=f"N{number}", birth_date=date(2018, 1, 1))
        Custody.objects.create(household=home, child=child)
        enrolment = Enrolment.objects.create(
            household=home,
            child=child,
            activity=activity,
            establishment=place,
            school_year=year,
            starts_on=date(2025, 9, 1),
            state="accepted",
        )
        for day in days:
            Booking.objects.create(
                household=home,
                child=child,
                enrolment=enrolment,
                activity=activity,
                establishment=place,
                formula=formula,
                day=day,
                state=BookingState.ACCEPTED,
                changed_at=timezone.now(),
            )


def kill_one() -> int:
    """The command is killed after its first three households; how many invoices it leaves."""
    victim = subprocess.Popen(
        [sys.executable, "manage.py", "bill_month", MONTH, "--chunk", "3"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert victim.stdout
    victim.stdout.readline()
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=60)
    return Invoice.objects.count()


def _verified() -> list[str]:
    """What `verify_books` finds wrong."""
    return verifying.verify().faults


def main() -> None:
    seed()
    left = kill_one()
    after_the_kill = _verified()
    errors, _ = at_once([lambda: call_command("bill_month", MONTH, chunk=4, stdout=io.StringIO())] * ISSUERS)
    found = {
        "left": left,
        "errors": errors,
        "sequences": sorted(Invoice.objects.values_list("sequence", flat=True)),
        "households": Invoice.objects.values("household").distinct().count(),
        "items": BilledItem.objects.count(),
        "state": BillingRun.objects.get().state,
        "verified": [after_the_kill, _verified()],
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
