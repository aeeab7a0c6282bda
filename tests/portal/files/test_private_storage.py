"""Private files lie in a folder or in an S3-compatible store, as one setting says; never in public."""

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.storage.handler import StorageHandler
from django.urls import reverse

from billing.documents import pdf
from billing.invoices import invoicing
from billing.models import Invoice, InvoicePdf
from families.models import Document
from portal.checks import private_storage as check
from portal.files import private_files
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER, meals, month
from tests.fakes.s3_server import FakeS3
from tests.portal.test_settings import TOWN, run

__all__ = ["meals", "month"]

KEY, SECRET = "PORTAL/KEY", "se+cr/et@1"
WHOLE = "s3://k:s@s3.fr-par.scw.cloud/portail?region=fr-par"


@pytest.fixture
def s3():
    with FakeS3(KEY).running() as fake:
        yield fake


@pytest.fixture
def address(s3) -> str:
    host = s3.url.removeprefix("http://")
    return f"s3+http://PORTAL%2FKEY:se%2Bcr%2Fet%401@{host}/familles/prives?region=fr-par"


@pytest.fixture
def store(address):
    """The real client, as the settings build it."""
    return StorageHandler({"private": private_files.storage(address, django_settings.PRIVATE_ROOT)})[
        "private"
    ]


# The setting ------------------------------------------------------------------------------------------------


def test_without_the_setting_files_lie_in_the_folder(tmp_path):
    found = private_files.storage("", tmp_path)
    closed = {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
    assert found["BACKEND"] == "portal.files.uploads.PrivateStorage"
    assert found["OPTIONS"] == {"location": str(tmp_path)} | closed
    assert private_files.troubles("", demo=False) == []
    assert type(storages["private"]).__name__ == "PrivateStorage"


def test_the_address_says_everything():
    assert private_files.storage(
        "s3://AK%2F1:s%40cret@s3.example.org:9000/portail/familles/2026?region=fr-par",
        django_settings.VAR_DIR,
    ) == {
        "BACKEND": "portal.files.private_s3.PrivateS3Storage",
        "OPTIONS": {
            "access_key": "AK/1",
            "secret_key": "s@cret",
            "endpoint_url": "https://s3.example.org:9000",
            "bucket_name": "portail",
            "location": "familles/2026",
            "region_name": "fr-par",
        },
    }


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://s3.fr-par.scw.cloud/portail?region=fr-par", ["la clé", "le secret"]),
        ("s3://k@s3.fr-par.scw.cloud/portail?region=fr-par", ["le secret"]),
        ("s3://k:s@/portail?region=fr-par", ["l'hôte"]),
        ("s3://k:s@s3.fr-par.scw.cloud?region=fr-par", ["le nom du compartiment"]),
        ("s3://k:s@s3.fr-par.scw.cloud/portail", ["la région"]),
        ("s3://k:s@s3.fr-par.scw.cloud/portail?region=fr-par&acl=public-read", ["paramètre inconnu « acl »"]),
        ("s3://k:s@s3.fr-par.scw.cloud:x/portail?region=fr-par", ["le port"]),
        ("https://k:s@s3.fr-par.scw.cloud/portail?region=fr-par", ["doit commencer par s3://"]),
        ("s3+http://k:s@s3.fr-par.scw.cloud/portail?region=fr-par", ["sans chiffrement"]),
        (WHOLE, []),
    ],
)
def test_an_incomplete_address_is_refused_in_words(settings, url, said):
    settings.PRIVATE_STORAGE_URL, settings.DEMO = url, False
    found = check(None)
    assert [error.id for error in found] == ["portal.E001"] * len(said)
    assert all(words in error.msg for words, error in zip(said, found, strict=True))


def test_no_command_starts_with_an_incomplete_address(tmp_path):
    done = run(
        *("manage.py", "check"),
        tmp_path=tmp_path,
        **TOWN,
        PRIVATE_STORAGE_URL="s3://k:tres-secret@s3.fr-par.scw.cloud/portail",
    )
    assert done.returncode != 0
    assert "PRIVATE_STORAGE_URL : il manque la région" in done.stderr
    assert "tres-secret" not in done.stderr


def test_the_client_is_imported_by_who_chose_it_only(tmp_path):
    code = "import django; django.setup(); import sys; print('boto3' in sys.modules)"
    said = {"tmp_path": tmp_path, **TOWN}
    assert run("-c", code, **said).stdout.strip() == "False"
    assert run("-c", code, PRIVATE_STORAGE_URL=WHOLE, **said).stdout.strip() == "True"


# The real client, over HTTP -----------------------------------------------------------------------------


def test_a_file_is_put_read_found_and_deleted(store, s3):
    name = store.save("justificatifs/2026/11/caf.pdf", ContentFile(b"%PDF-1.7 caf"))
    assert s3.objects == {"familles/prives/justificatifs/2026/11/caf.pdf": b"%PDF-1.7 caf"}
    assert store.exists(name)
    assert store.size(name) == 12
    with store.open(name, "rb") as file:
        assert file.read() == b"%PDF-1.7 caf"
    store.delete(name)
    assert not store.exists(name)
    assert s3.objects == {}


def test_two_files_of_one_name_are_two_files(store, s3):
    first, second = (store.save("caf.pdf", ContentFile(content)) for content in (b"one", b"two"))
    assert first != second
    assert sorted(s3.objects.values()) == [b"one", b"two"]


def test_nothing_is_ever_public(store, s3):
    name = store.save("caf.pdf", ContentFile(b"secret"))
    assert not [header for headers in s3.sent_headers for header in headers if "acl" in header]
    with pytest.raises(ValueError, match="not accessible"):
        store.url(name)
    with pytest.raises(ValueError, match="not accessible"):
        store.url(name, expire=60)


def test_a_file_outside_the_folder_is_refused(store):
    with pytest.raises(Exception, match=r"denied|not allowed|path traversal"):
        store.open("../autre/caf.pdf")


def test_a_missing_file_is_missing_as_on_a_disk(store):
    with pytest.raises(FileNotFoundError):
        store.open("jamais.pdf")


def test_variables_of_the_machine_have_no_say(monkeypatch, store, s3):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-else")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebody-else")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "somebody-else")
    store.save("caf.pdf", ContentFile(b"mine"))
    assert "x-amz-security-token" not in s3.sent_headers[0]


# Behind the portal's own views --------------------------------------------------------------------------


@pytest.fixture
def invoice(month, books, store, monkeypatch) -> Invoice:
    monkeypatch.setattr(InvoicePdf._meta.get_field("file"), "storage", store)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    return Invoice.objects.get(household=books.household)


def test_an_invoice_is_printed_once_into_the_store(invoice, books_client, stranger_client, s3):
    page = reverse("billing:invoice_pdf", args=[invoice.pk])
    first = books_client.get(page)
    assert list(s3.objects.values()) == [first.content]
    assert books_client.get(page).content == first.content
    assert stranger_client.get(page).status_code == 404


def test_a_lost_invoice_is_printed_again_alike_or_told(invoice, books_client, s3):
    page = reverse("billing:invoice_pdf", args=[invoice.pk])
    first = books_client.get(page).content
    s3.objects.clear()
    assert books_client.get(page).content == first
    assert list(s3.objects.values()) == [first]
    s3.objects.clear()
    InvoicePdf.objects.update(sha256="0" * 64)
    assert "est introuvable" in books_client.get(page, follow=True).content.decode()
    with pytest.raises(pdf.PdfLost, match="est introuvable"):
        pdf.read(InvoicePdf.objects.get())


def test_a_proof_is_given_to_its_family_alone(books, books_client, stranger_client, store, monkeypatch, s3):
    monkeypatch.setattr(Document._meta.get_field("file"), "storage", store)
    proof = Document(household=books.household, name="caf.pdf", content_type="application/pdf")
    proof.file.save("caf.pdf", ContentFile(b"%PDF-1.7 caf"))
    page = reverse("families:document", args=[proof.pk])
    answer = books_client.get(page)
    assert b"".join(answer.streaming_content) == b"%PDF-1.7 caf"
    assert "attachment" in answer["Content-Disposition"]
    asked = list(s3.asked)
    assert stranger_client.get(page).status_code == 404
    assert s3.asked == asked, "a stranger's request never reaches the store"
