"""The canteen's prices, and a month of meals."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.core.files.storage import FileSystemStorage

from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.models import (
    ActivityRegie,
    FormulaTariff,
    Invoice,
    InvoicePdf,
    LetterLot,
    Regie,
    ReminderLetter,
    Tariff,
    TariffBand,
    TariffModifier,
)
from billing.payments import paying
from families import groups
from families.models import FamilyMessage, User
from portal.reservations.models import Booking
from portal.reservations.states import BookingState
from tests.conftest import logged_in
from tests.factories import (
    ActivityFactory,
    BookingFactory,
    EnrolmentFactory,
    FormulaFactory,
    UserFactory,
    paris,
)

NOVEMBER = Scope(date(2026, 11, 1))
DECEMBER = Scope(date(2026, 12, 1))
END_OF_NOVEMBER = paris(2026, 11, 30, 18)
FIRST_OF_DECEMBER = paris(2026, 12, 1, 10)
END_OF_DECEMBER = paris(2026, 12, 31, 18)
LATE = paris(2027, 1, 4, 9)  # November's invoices were to be paid by 30 December 2026.
MEALS = [date(2026, 11, day) for day in (2, 3, 5, 6)]


@pytest.fixture
def private(monkeypatch, tmp_path):
    """A folder of this test's own, where printed documents lie."""
    keep_apart(monkeypatch, tmp_path)
    return tmp_path


def keep_apart(monkeypatch, folder):
    """From now on printed documents lie in this folder."""
    for model in (InvoicePdf, LetterLot, ReminderLetter):
        monkeypatch.setattr(model._meta.get_field("file"), "storage", FileSystemStorage(folder))
    monkeypatch.setattr(FamilyMessage._meta.get_field("paper"), "storage", FileSystemStorage(folder))


@pytest.fixture
def till_client(db):
    """An agent who takes money at the desk, and does nothing else with it."""
    user = UserFactory(username="guichet", is_staff=True, first_name="Alix", last_name="Guichet")
    user.groups.add(Group.objects.get_or_create(name=groups.TILL)[0])
    return logged_in(User.objects.get(pk=user.pk))


@pytest.fixture
def meals(canteen):
    """Canteen prices from 1 September 2026: 1.75 up to 449.99, 3.20 from 451 on; 1 € more when late."""
    tariff = Tariff.objects.create(
        code="repas-2026", name="Repas", valid_from=date(2026, 9, 1), valid_to=date(2027, 8, 31)
    )
    TariffBand.objects.create(tariff=tariff, low=0, high=Decimal("449.99"), prices={"": "1.75"})
    TariffBand.objects.create(tariff=tariff, low=451, high=None, prices={"": "3.20"})
    TariffModifier.objects.create(tariff=tariff, when="late", effect="add", amount=1)
    TariffModifier.objects.create(tariff=tariff, when="unreserved", effect="price", amount=10)
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    return tariff


def eats(family, days=MEALS, **booking):
    return [BookingFactory(enrolment=family.enrolment, day=day, **booking) for day in days]


@pytest.fixture
def centre(meals, books):
    """A day at the leisure centre costs 15.00; its régie, « Centre de loisirs », is a further one. Lina is
    enrolled there too: `enrolment`, `activity`, `regie`."""
    activity = ActivityFactory(
        code="centre", name="Accueil de loisirs", establishments=[books.enrolment.establishment]
    )
    formula = FormulaFactory(activity=activity, code="journee", name="Journée", with_meal=False)
    tariff = Tariff.objects.create(code="journee", name="Journée", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "15.00"})
    FormulaTariff.objects.create(formula=formula, tariff=tariff)
    regie = Regie.objects.create(name="Centre de loisirs", code="LOISIRS", letters="CL")
    ActivityRegie.objects.create(activity=activity, regie=regie)
    enrolment = EnrolmentFactory(
        household=books.household,
        child=books.child,
        activity=activity,
        establishment=books.enrolment.establishment,
        school_year=books.enrolment.school_year,
    )
    return SimpleNamespace(activity=activity, formula=formula, regie=regie, enrolment=enrolment)


@pytest.fixture
def two(books, centre):
    """For November, 12.80 to the town hall (the first invoice) and 15.00 to the centre."""
    eats(books)
    eats(centre, [date(2026, 11, 4)])
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    return list(Invoice.objects.order_by("pk"))


@pytest.fixture
def month(meals, books, waits):
    """Lina and Noé eat four times in November 2026; nobody gave a quotient."""
    return eats(books) + eats(waits)


@pytest.fixture
def owes(month, books, waits):
    """The family that books owes 12.80 for November, the one that waits too; it is 1 December 2026, 10:00."""
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    with time_machine.travel(FIRST_OF_DECEMBER, tick=False):
        yield books


def bill(scope, at):
    run = invoicing.start(scope, by=None, at=at)
    return invoicing.issue(run, at=at)


@pytest.fixture
def reported(meals, books):
    """Four meals of November were paid, then cancelled; one of December: the town hall owes the family 9.60,
    by its statement of 31 December 2026."""
    eats(books)
    bill(NOVEMBER, END_OF_NOVEMBER)
    paying.record(
        books.household, Decimal("12.80"), "cash", paid_on=END_OF_NOVEMBER.date(), by=None, at=END_OF_NOVEMBER
    )
    Booking.objects.filter(enrolment=books.enrolment).update(state=BookingState.CANCELLED)
    eats(books, [date(2026, 12, 3)])
    bill(DECEMBER, END_OF_DECEMBER)
    return books


@pytest.fixture
def late(owes, books, waits):
    """Both families owe 12.80 since November; it is 4 January 2027."""
    with time_machine.travel(LATE, tick=False):
        yield Invoice.objects.get(household=books.household)
