"""Billing: a month of 300, 1 000 and 10 000 households, printing, downloading, a ZIP, an XLSX.

Seconds stand beside those of bare work of the same size: as many rows inserted, a bare page of as many boxes,
a bare ZIP. What must stay small in memory runs by itself:
`python -m tests.bench.billing JOB …` does it on the database of DATABASE_URL and says what it took as JSON.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

from django.apps import apps
from django.core.files.base import ContentFile
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import reverse
from django.utils import timezone

from billing.documents import files, pdf, verifying
from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.models import FormulaTariff, Invoice, InvoiceLine, InvoicePdf, Tariff, TariffBand
from billing.payments import paying
from families.models import Child, Custody, FamilyQuotient, Guardian, Household
from portal.demo.rows import Table
from portal.reservations.models import Booking, Enrolment
from portal.reservations.states import BookingState, EnrolmentState
from tests.bench import floor, yardsticks
from tests.bench.engine import Measure, measure, over
from tests.factories import (
    ActivityFactory,
    EstablishmentFactory,
    FormulaFactory,
    GuardianFactory,
    HouseholdFactory,
    InvoiceFactory,
    SchoolYearFactory,
    TownFactory,
    UserFactory,
)

CHILDREN, BOOKINGS = 2, 37  # of a household in a month
USUAL, MANY, TOWN = 300, 1_000, 10_000
KEPT = 5_000
LISTED = 10_000
PRINTED, PROCESSES = 24, 2
# Of a bare page that WeasyPrint lays out of as many boxes as the paper of eight lines: 337.
CELLS = 102
DOWNLOADS = 40
MOVEMENTS = 100

COLUMNS = (
    "household", "child", "enrolment", "activity", "establishment", "formula", "day", "state", "late",
    "changed_at",
)  # fmt: skip


class Canteen:
    """A canteen with bands of quotient, whose households eat in one month each."""

    def __init__(self) -> None:
        self.today = timezone.localdate()
        self.year = SchoolYearFactory(
            name="Facturation",
            starts_on=self.today - timedelta(days=300),
            ends_on=self.today + timedelta(days=60),
        )
        self.place = EstablishmentFactory()
        self.activity = ActivityFactory(establishments=[self.place])
        self.formula = FormulaFactory(activity=self.activity)
        tariff = Tariff.objects.create(code="mesures", name="Mesures")
        for low, high, price in ((0, "449.99", "1.75"), (450, "899.99", "3.20"), (900, None, "4.60")):
            TariffBand.objects.create(tariff=tariff, low=low, high=high, prices={"": price})
        FormulaTariff.objects.create(formula=self.formula, tariff=tariff)

    def month(self, ago: int) -> date:
        first = self.today.replace(day=1)
        for _ in range(ago):
            first = (first - timedelta(days=1)).replace(day=1)
        return first

    def feed(self, households: int, month: date) -> None:
        """So many new households, each with BOOKINGS meals in `month`."""
        homes = Household.objects.bulk_create(
            Household(street=f"{number} rue du Moulin", postcode="01999", city="Ville", state="accepted")
            for number in range(households)
        )
        Guardian.objects.bulk_create(
            Guardian(household=home, first_name="Camille", last_name=f"Roux {home.pk}") for home in homes
        )
        FamilyQuotient.objects.bulk_create(
            FamilyQuotient(household=home, value=Decimal(home.pk * 37 % 1500), valid_from=month)
            for home in homes
        )
        children = Child.objects.bulk_create(
            Child(first_name=f"Lina {place}", last_name=f"Roux {home.pk}", birth_date=date(2018, 1, 1))
            for home in homes
            for place in range(CHILDREN)
        )
        owners = [home for home in homes for _ in range(CHILDREN)]
        pairs = list(zip(owners, children, strict=True))
        Custody.objects.bulk_create(Custody(household=home, child=child) for home, child in pairs)
        enrolments = Enrolment.objects.bulk_create(
            Enrolment(
                household=home,
                child=child,
                activity=self.activity,
                establishment=self.place,
                school_year=self.year,
                starts_on=self.year.starts_on,
                state=EnrolmentState.ACCEPTED,
            )
            for home, child in pairs
        )
        table, now = Table(Booking, COLUMNS), timezone.now()
        per_child = -(-BOOKINGS // CHILDREN)
        for place, enrolment in enumerate(enrolments):
            for number in range(per_child if place % CHILDREN == 0 else BOOKINGS - per_child):
                table.add(
                    enrolment.household_id, enrolment.child_id, enrolment.pk, self.activity.pk,
                    self.place.pk, self.formula.pk, month + timedelta(days=number),
                    BookingState.ACCEPTED.value, False, now,
                )  # fmt: skip
        table.write()
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("ANALYZE")


# A month --------------------------------------------------------------------------------------------------


def months(canteen: Canteen) -> list[Measure]:
    """The usual town timed here, then a town of a thousand and one of ten thousand in own processes."""
    warm_up, usual, many, town = (canteen.month(ago) for ago in (4, 3, 2, 1))
    canteen.feed(20, warm_up)
    _bill(warm_up)
    canteen.feed(USUAL, usual)
    before = rows_kept()
    with CaptureQueriesContext(connection) as captured:
        seconds = _bill(usual)
    counted = len(captured)  # before the next queries push these out
    bottom = yardsticks.seconds_to_insert(rows_kept() - before)
    found = [over("bill_300_over_insert", seconds, bottom, 12)]
    canteen.feed(MANY, many)
    with CaptureQueriesContext(connection) as captured:
        thousand = _bill(many)
    queries = len(captured)
    chunks = MANY // invoicing.CHUNK
    found.append(measure("bill_chunk_queries", (queries - counted) / (chunks - 1), "queries", counted))
    if connection.vendor == "postgresql":
        canteen.feed(TOWN, town)
        job = _alone("bill", town.isoformat())
        found += [
            over("bill_10000_over_insert", job["seconds"], job["bare"], 12),
            measure("bill_10000_memory", job["memory"], "MB", 300),
            measure("bill_10000_per_household", job["seconds"] / TOWN / (thousand / MANY), "times", 1.2),
        ]
        job = _alone("verify")
        found += [
            over("verify_over_reading", job["seconds"], job["bare"], 30),
            measure("verify_10000_memory", job["memory"], "MB", 300),
        ]
    return found


def rows_kept() -> int:
    """Of all that billing keeps."""
    return sum(model._default_manager.count() for model in apps.get_app_config("billing").get_models())


def _bill(month: date) -> float:
    at = timezone.now()
    begun = time.perf_counter()
    invoicing.issue(invoicing.start(Scope(month), by=None, at=at), at=at)
    return time.perf_counter() - begun


# Paper ----------------------------------------------------------------------------------------------------


def usual_invoice() -> Invoice:
    """Eight lines for two children, with everything an invoice may say."""
    invoice = InvoiceFactory(
        household=HouseholdFactory(),
        line_count=8,
        total=Decimal("102.40"),
        quotient=Decimal(812),
        issuer={
            "name": "Ville", "service": "Service des familles", "address": "1 place Neuve\n01999 Ville",
            "phone": "01 02 03 04 05", "email": "familles@example.org", "siret": "210 000 000 00018",
            "collection": "Régie de recettes", "vat_notice": "Hors du champ de la TVA.",
            "legal_notice": "À payer à la régie.", "recourse": "Dans les deux mois, devant le tribunal.",
            "iban": "FR76 3000 6000 0112 3456 7890 189", "bic": "AGRIFRPP", "desk": "Le matin",
            "cheque_payable_to": "Régie", "cheque_address": "1 place de la Mairie",
            "portal": "https://famille.example.org",
        },
    )  # fmt: skip
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=invoice,
            position=place,
            child_name=f"Lina Roux {place // 4}",
            activity_name="Restauration scolaire",
            label=f"Repas {place}",
            days=[f"2026-10-{day:02}" for day in (1, 2, 5, 6)],
            quantity=4,
            unit_price=Decimal("3.20"),
            amount=Decimal("12.80"),
            explanation="Quotient 812 : tranche de 450 à 899,99.",
        )
        for place in range(8)
    )
    return Invoice.objects.prefetch_related("lines").get(pk=invoice.pk)


def printing(invoice: Invoice) -> list[Measure]:
    """An invoice on one process beside a bare page of as many boxes, then many shared by two processes."""
    pdf.render(invoice)
    alone, bare = yardsticks.beside(
        lambda: pdf.render(invoice), yardsticks.page_of_cells(CELLS), runs=PRINTED, by=yardsticks.processor
    )
    by_clock = median(_timed(lambda: pdf.render(invoice)) for _ in range(PRINTED))
    connections.close_all()
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(PROCESSES + 1)
    running = [context.Process(target=_print, args=(invoice, ready)) for _ in range(PROCESSES)]
    for process in running:
        process.start()
    ready.wait()

    def finish() -> None:
        for process in running:
            process.join()

    together = _timed(finish) / (PRINTED * PROCESSES)
    assert all(process.exitcode == 0 for process in running)
    return [
        over("pdf_of_8_lines_over_bare", alone, bare, 1.2),
        over("pdf_of_8_lines_on_two", together, by_clock / min(PROCESSES, cores()), 1.3),
    ]


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


def _print(invoice: Invoice, ready: Any) -> None:
    pdf.render(invoice)
    ready.wait()
    for _ in range(PRINTED):
        pdf.render(invoice)


def downloading(invoice: Invoice) -> list[Measure]:
    """The family's own kept PDF."""
    user = UserFactory(password="!")
    GuardianFactory(household=invoice.household, user=user)
    client = Client()
    client.force_login(user)
    address = reverse("billing:invoice_pdf", args=[invoice.pk])

    def ask() -> None:
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/pdf"

    ask()
    with CaptureQueriesContext(connection) as captured:
        ask()
    queries = len(captured)
    page, bottom = _beside_a_bare_page(client, ask, queries=queries, rows=0)
    return [
        over("download_over_floor", page, bottom, 1.5),
        measure("download_queries", queries, "queries", 10),
    ]


def account() -> list[Measure]:
    """« Mon compte » of a family with a hundred movements."""
    home, now = HouseholdFactory(), timezone.now()
    user = UserFactory(password="!")
    GuardianFactory(household=home, user=user)
    for _ in range(MOVEMENTS):
        paying.record(home, Decimal(1), "cash", paid_on=timezone.localdate(now), by=None, at=now)
    client, address = Client(), reverse("billing:account")
    client.force_login(user)

    def ask() -> None:
        assert client.get(address).status_code == 200

    ask()
    with CaptureQueriesContext(connection) as captured:
        ask()
    queries = len(captured)  # before the next queries push these out
    page, bottom = _beside_a_bare_page(client, ask, queries=queries, rows=MOVEMENTS)
    return [
        over("account_over_floor", page, bottom, 3),
        measure("account_queries", queries, "queries", 12),
    ]


def _beside_a_bare_page(
    client: Client, ask: Callable[[], None], *, queries: int, rows: int
) -> tuple[float, float]:
    """Median seconds of a page, and of a bare one with as many queries and so many rows."""
    floor.asks(queries, rows=rows)

    def bare() -> None:
        assert client.get(floor.PAGE).status_code == 200

    with override_settings(ROOT_URLCONF="tests.bench.floor"):
        return yardsticks.beside(ask, bare, runs=DOWNLOADS)


def archive(invoice: Invoice) -> list[Measure]:
    """The ZIP of many kept PDFs, read by a process of its own; its memory counts above its start's."""
    content = pdf.read(pdf.stored(invoice, at=timezone.now()))
    kept = InvoicePdf.objects.get(invoice=invoice)
    made = Invoice.objects.bulk_create(
        InvoiceFactory.build(household=invoice.household, sequence=number, number=f"F2026-{number:06}")
        for number in range(800_000, 800_000 + KEPT - 1)
    )
    storage = kept.file.storage
    InvoicePdf.objects.bulk_create(
        InvoicePdf(
            invoice=one,
            file=storage.save(f"factures/{one.number}.pdf", ContentFile(content)),
            sha256=kept.sha256,
            made_at=kept.made_at,
        )
        for one in made
    )
    job = _alone("zip", str(len(content)))
    assert job["size"] > KEPT * len(content)
    return [
        # It leaves before one in ten of them is read.
        over("zip_5000_first_byte", job["first_byte"], job["seconds"], 0.1),
        measure("zip_5000_memory", job["memory"] - job["base"], "MB", 60),
        over("zip_5000_over_bare", job["seconds"], job["bare"], 40),
    ]


def spreadsheet(invoice: Invoice) -> list[Measure]:
    """The XLSX list of many invoices, made by a process of its own; its memory counts above its start's."""
    Invoice.objects.bulk_create(
        InvoiceFactory.build(household=invoice.household, sequence=number, number=f"F2026-{number:06}")
        for number in range(700_000, 700_000 + LISTED)
    )
    job = _alone("xlsx")
    assert job["size"] > LISTED * 20
    return [
        measure("xlsx_10000_memory", job["memory"] - job["base"], "MB", 60),
        over("xlsx_10000_over_bare", job["seconds"], job["bare"], 6),
    ]


# In a process of its own ----------------------------------------------------------------------------------


def _job_bill(month: str) -> dict[str, float]:
    before = rows_kept()
    seconds = _bill(date.fromisoformat(month))
    held = peak()  # the bare rows are not the bill's
    return {"seconds": seconds, "memory": held, "bare": yardsticks.seconds_to_insert(rows_kept() - before)}


def _job_verify() -> dict[str, float]:
    begun = time.perf_counter()
    found = verifying.verify(files=False)
    seconds, held = time.perf_counter() - begun, peak()
    assert found.households
    return {"seconds": seconds, "memory": held, "bare": yardsticks.seconds_to_read(rows_kept())}


def _job_zip(size_of_one: str) -> dict[str, float]:
    base, begun, size, first_byte = peak(), time.process_time(), 0, 0.0
    for piece in files.pdf_zip(Invoice.objects.filter(pdf__isnull=False)):
        first_byte = first_byte or time.process_time() - begun
        size += len(piece)
    seconds, held = time.process_time() - begun, peak()
    bare = median(yardsticks.processor(lambda: yardsticks.zip_of(KEPT, int(size_of_one))) for _ in range(3))
    return {
        "seconds": seconds,
        "memory": held,
        "base": base,
        "first_byte": first_byte,
        "size": size,
        "bare": bare,
    }


def _job_xlsx() -> dict[str, float]:
    listed = Invoice.objects.with_balance().filter(sequence__gte=700_000, sequence__lt=700_000 + LISTED)
    base, begun = peak(), time.process_time()
    size = sum(map(len, files.xlsx_stream(files.INVOICE_COLUMNS, files.invoice_rows(listed))))
    seconds, held = time.process_time() - begun, peak()
    bare = median(
        yardsticks.processor(lambda: yardsticks.sheet_of(LISTED, len(files.INVOICE_COLUMNS)))
        for _ in range(3)
    )
    return {"seconds": seconds, "memory": held, "base": base, "size": size, "bare": bare}


JOBS: dict[str, Callable[..., dict[str, float]]] = {
    "bill": _job_bill,
    "verify": _job_verify,
    "zip": _job_zip,
    "xlsx": _job_xlsx,
}


def peak() -> float:
    """The most memory this process has held so far, in MB."""
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return peak / 1000


def _alone(job: str, *arguments: str) -> dict[str, float]:
    found = subprocess.run(
        [sys.executable, "-m", "tests.bench.billing", job, *arguments],
        env=os.environ | {"DATABASE_URL": address()},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, float] = json.loads(found.stdout)
    return answer


def address() -> str:
    """The database of the run, which on a server is a test database beside DATABASE_URL's."""
    if connection.vendor == "sqlite":
        return f"sqlite:///{connection.settings_dict['NAME']}"
    before, _, _ = os.environ["DATABASE_URL"].partition("?")
    return f"{before.rpartition('/')[0]}/{connection.settings_dict['NAME']}"


def _timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def run() -> list[Measure]:
    """Everything; the big town only on PostgreSQL."""
    TownFactory()
    found = months(Canteen())
    invoice = usual_invoice()
    return [
        *found,
        *printing(invoice),
        *archive(invoice),
        *spreadsheet(invoice),
        *downloading(invoice),
        *account(),
    ]


def main(job: str, *arguments: str) -> None:
    answer = JOBS[job](*arguments)
    json.dump({"memory": peak()} | answer, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
