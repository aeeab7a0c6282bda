"""Real processes on a database of their own: one is killed in the middle, eight issue at once."""

import signal
import subprocess
import sys

import pytest

from tests import ROOT
from tests.processes import TURNS, environment, own_database

SEED = """
from datetime import date
from decimal import Decimal
from django.utils import timezone
from billing.models import FormulaTariff, Tariff, TariffBand
from families.models import Child, Custody, Guardian, Household
from portal.reservations.models import *
from portal.reservations.states import BookingState
year = SchoolYear.objects.create(name="2025-2026", starts_on=date(2025, 9, 1), ends_on=date(2026, 7, 3))
place = Establishment.objects.create(code="verger", name="Le Verger", kind="restaurant")
activity = Activity.objects.create(code="cantine", name="Restauration", service="catering")
formula = Formula.objects.create(activity=activity, code="repas", name="Repas", parts=["noon"])
tariff = Tariff.objects.create(code="repas", name="Repas", kind="flat")
TariffBand.objects.create(tariff=tariff, prices={"": "3.20"})
FormulaTariff.objects.create(formula=formula, tariff=tariff)
for number in range(40):
    home = Household.objects.create(street="1 rue", postcode="01999", city="Ville", state="accepted")
    Guardian.objects.create(household=home, first_name="Camille", last_name=f"N{number}")
    child = Child.objects.create(first_name="Lina", last_name=f"N{number}", birth_date=date(2018, 1, 1))
    Custody.objects.create(household=home, child=child)
    enrolment = Enrolment.objects.create(household=home, child=child, activity=activity, establishment=place,
        school_year=year, starts_on=date(2025, 9, 1), state="accepted")
    for day in (2, 3, 5, 6):
        Booking.objects.create(household=home, child=child, enrolment=enrolment, activity=activity,
            establishment=place, formula=formula, day=date(2026, 3, day), state=BookingState.ACCEPTED,
            changed_at=timezone.now())
"""
AUDIT = """
from billing.models import *
numbers = sorted(Invoice.objects.values_list("sequence", flat=True))
assert numbers == list(range(1, 41)), numbers
assert Invoice.objects.values("household").distinct().count() == 40
assert BilledItem.objects.count() == 160
assert BillingRun.objects.get().state == "done"
print("audited")
"""


@pytest.fixture
def manage(installed, tmp_path):
    """Runs manage.py on a database that holds forty families who ate in March."""
    with own_database(tmp_path, copied_from=installed, called="killed") as address:
        yield commands(environment(address, tmp_path))


def commands(env):
    """`run(*args)` and `run.start(*args)` in this environment."""

    def start(*args):
        return subprocess.Popen(
            [sys.executable, "manage.py", *args], cwd=ROOT, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(*args, said=""):
        process = start(*args)
        output, _ = process.communicate(said, timeout=120)
        return process.returncode, output

    code, output = run("shell", "-v0", said=SEED)
    assert code == 0, output
    run.start = start
    return run


@pytest.mark.parametrize("turn", TURNS)
def test_a_killed_run_goes_on_and_eight_issuers_leave_no_gap(manage, turn):
    victim = manage.start("bill_month", "2026-03", "--chunk", "3")
    victim.stdout.readline()
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=60)
    issuers = [manage.start("bill_month", "2026-03", "--chunk", "4") for _ in range(8)]
    outputs = [issuer.communicate(timeout=300)[0] for issuer in issuers]
    # Who comes after the end is told so; the others share the work.
    for issuer, output in zip(issuers, outputs, strict=True):
        assert issuer.returncode == 0 or "déjà facturé" in output, output
    _, output = manage("shell", "-v0", said=AUDIT)
    assert "audited" in output, output
