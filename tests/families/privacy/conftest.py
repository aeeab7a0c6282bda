"""A family with something of everything, and a place apart for its files."""

import io
import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage

from billing.models import InvoicePdf, LetterLot, ReminderLetter
from families.models import AuthorisedPerson, ChangeRequest, ChildHealth, DataExport, Document
from families.privacy import asking, exporting
from tests.billing.conftest import meals, month, reported
from tests.conftest import Family
from tests.factories import (
    BookingFactory,
    ChildFactory,
    GuardianFactory,
    HealthFactory,
    HouseholdFactory,
    QuotientFactory,
    UserFactory,
)
from tests.families.conftest import PDF, commit, letters, private_files, shared_child

__all__ = ["commit", "letters", "meals", "month", "private_files", "reported", "shared_child"]


@pytest.fixture
def store(private_files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all private files of the test lie, printed documents too."""
    storage = FileSystemStorage(private_files)
    for model in (InvoicePdf, LetterLot, ReminderLetter, DataExport):
        monkeypatch.setattr(model._meta.get_field("file"), "storage", storage)
    return private_files


def files_of(store: Path) -> set[str]:
    return {str(path.relative_to(store)) for path in store.rglob("*") if path.is_file()}


@pytest.fixture
def lived(books: Family, store: Path) -> Family:
    """Camille Roux, whose household has a bit of everything; Alix lives there too."""
    household = books.household
    household.notes = "À rappeler après 18 h."
    household.save()
    GuardianFactory(
        household=household,
        user=UserFactory(username="alix", email="alix.roux@example.org"),
        first_name="Alix",
        last_name="Roux",
        phone="+33199001122",
    )
    QuotientFactory(household=household, value=640, valid_from=date(2026, 9, 1))
    HealthFactory(child=books.child, allergies="Arachides")
    AuthorisedPerson.objects.create(child=books.child, name="Mamie Odile", phone="+33199003344")
    proof = Document.objects.create(
        household=household, name="avis.pdf", content_type="application/pdf", uploaded_by=books.user
    )
    proof.file.save("avis.pdf", ContentFile(PDF))
    ChangeRequest.objects.create(
        household=household,
        kind="address",
        street="9 rue Neuve",
        postcode="01999",
        city="Valmirelle-les-Prés",
        proof=proof,
        requested_by=books.user,
    )
    BookingFactory(enrolment=books.enrolment, day=date(2026, 11, 4))
    return books


@pytest.fixture
def elsewhere(lived: Family) -> Any:
    """The other home of Lina: Dominique Sorel, 4 rue Cachée, quotient 333."""
    other = HouseholdFactory(street="4 rue Cachée")
    GuardianFactory(
        household=other,
        user=UserFactory(username="sorel", email="sorel@example.org"),
        first_name="Dominique",
        last_name="Sorel",
        phone="+33199005566",
    )
    QuotientFactory(household=other, value=333)
    lived.child.households.add(other)
    ChildFactory(first_name="Basile", last_name="Sorel", households=[other])
    return other


def made(who: Family, now: Any, **asked: Any) -> DataExport:
    """A copy asked for and prepared at once."""
    export = asking.ask(who.guardian, by=who.user, at=now, **asked)
    exporting.prepare(export, at=now)
    export.refresh_from_db()
    return export


def opened(content: Any) -> dict[str, bytes]:
    """What lies in a ZIP."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def inside(export: DataExport) -> dict[str, bytes]:
    with export.file.open("rb") as file:
        return opened(file.read())


def tables_of(export: DataExport) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(inside(export)["mes-donnees.json"])["tables"]
    return found


def health_of(who: Family) -> ChildHealth:
    return ChildHealth.objects.get(child=who.child)
