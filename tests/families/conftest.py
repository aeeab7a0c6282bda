"""What tests of people share: letters read after commit, files to send."""

import html
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from pillow_heif import register_heif_opener

from families.models import Child, Document, Household
from tests.conftest import Family, family
from tests.factories import ChildFactory, GuardianFactory, HouseholdFactory, UserFactory

register_heif_opener()


@pytest.fixture(autouse=True)
def private_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Proofs of tests lie apart, each test its own."""
    storage = Document._meta.get_field("file").storage
    for name in ("base_location", "location"):
        monkeypatch.setitem(storage.__dict__, name, str(tmp_path))
    return tmp_path


@pytest.fixture
def letters(django_capture_on_commit_callbacks: Callable[..., Any]) -> list:
    """The mails sent so far: whatever waits for the commit goes out within the test."""
    with django_capture_on_commit_callbacks(execute=True):
        pass
    mail.outbox.clear()
    return mail.outbox


@pytest.fixture
def commit(django_capture_on_commit_callbacks: Callable[..., Any]) -> Callable[..., Any]:
    """`with commit():` runs what a request left for after its commit, letters first of all."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def roux(now, town) -> Family:
    """Camille Roux and Lina: an accepted household."""
    return family("roux", "Roux", "Lina")


@pytest.fixture
def second_guardian(roux: Family) -> Client:
    """Alix Roux, the other adult of the same household."""
    user = UserFactory(username="alix")
    GuardianFactory(household=roux.household, user=user, first_name="Alix", last_name="Roux")
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def demanded(settings: Any) -> None:
    """The town hall asks its staff for a second factor, and again before the gravest acts."""
    settings.STAFF_SECOND_FACTOR = settings.ASK_AGAIN = True


@pytest.fixture
def newcomers(now, town) -> Household:
    """A household that has just asked for its account."""
    household = HouseholdFactory(state=Household.State.REQUESTED)
    GuardianFactory(household=household, user=UserFactory(username="nouveau"), last_name="Nouveau")
    ChildFactory(first_name="Tom", last_name="Nouveau", households=[household])
    return household


@pytest.fixture
def shared_child(roux: Family, stranger: Family) -> Child:
    """Sacha lives in turns at the Roux's and at the Morels'."""
    return ChildFactory(first_name="Sacha", last_name="Roux", households=[roux.household, stranger.household])


def text_of(response: Any) -> str:
    """What a reader sees, more or less: the page without its escapes and its unbreakable spaces."""
    return html.unescape(response.content.decode()).replace("\u00a0", " ")


def image_bytes(kind: str = "JPEG", size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 50).convert("RGB").save(out, kind)
    return out.getvalue()


PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def sent_file(
    content: bytes, name: str, content_type: str = "application/octet-stream"
) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type)
