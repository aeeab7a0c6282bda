"""The town's virus scanner: asked about every file, and believed only when it says « OK »."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile

from families.models import ChangeRequest, Document
from portal.checks import scanner as check
from portal.files import scanning, uploads
from portal.files.scanning import Infected, NotScanned
from tests.conftest import family
from tests.fakes.clamd_server import FakeClamd
from tests.families.conftest import image_bytes
from tests.portal.files.test_pdf_judge import WHOLE, pdf

pytestmark = pytest.mark.once


# In two pieces: no scanner is to find this file.
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-" + "ANTIVIRUS-TEST-FILE!$H+H*"


@pytest.fixture
def clamd(settings) -> Iterator[FakeClamd]:
    fake = FakeClamd()
    with fake.running() as settings.CLAMD_ADDRESS:
        yield fake


def test_without_an_address_nobody_is_asked(settings, monkeypatch):
    monkeypatch.setattr(scanning, "_asked", None)
    assert settings.CLAMD_ADDRESS == ""
    scanning.scan(b"x")


def test_a_file_goes_whole_and_in_pieces(clamd):
    content = bytes(range(256)) * 1000
    scanning.scan(content)
    assert clamd.asked == [(b"zINSTREAM\0", content)]


def test_a_scanner_at_a_socket(settings, tmp_path):
    with FakeClamd().running(tmp_path / "clamd.ctl") as settings.CLAMD_ADDRESS:
        scanning.scan(b"x")
    with pytest.raises(NotScanned):
        scanning.scan(b"x")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ([b"stream: Eicar-Test-Signature FOUND\0"], Infected),
        ([b"stream: Eicar-", b"Test FOUND", b"\0"], Infected),
        ([b"INSTREAM size limit exceeded. ERROR\0"], NotScanned),
        ([b"stream: Can't allocate memory ERROR\0"], NotScanned),
        ([b"UNKNOWN COMMAND\0"], NotScanned),
        ([b"stream: OK, or so\0"], NotScanned),
        ([b"x" * 100_000], NotScanned),
        ([], NotScanned),
    ],
)
def test_only_ok_is_ok(clamd, answer, outcome):
    clamd.answer = answer
    with pytest.raises(outcome):
        scanning.scan(b"x")


@pytest.mark.parametrize("fault", ["down", "silent"])
def test_a_scanner_that_is_away_lets_nothing_in(clamd, fault, monkeypatch):
    monkeypatch.setattr(scanning, "ANSWERS_WITHIN_SECONDS", 0.2)
    clamd.fault = fault
    with pytest.raises(NotScanned):
        scanning.scan(b"x")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "/nowhere/clamd.ctl", "127.0.0.1:abc"])
def test_an_address_where_nobody_listens_lets_nothing_in(settings, address):
    settings.CLAMD_ADDRESS = address
    with pytest.raises(NotScanned):
        scanning.scan(b"x")


@pytest.mark.parametrize(
    ("address", "right"),
    [
        ("", True),
        ("127.0.0.1:3310", True),
        ("[::1]:3310", True),
        ("/run/clamav/clamd.ctl", True),
        ("clamd", False),
        (":3310", False),
        ("clamd:port", False),
    ],
)
def test_an_address_that_can_be_none_is_said_before_serving(settings, address, right):
    settings.CLAMD_ADDRESS = address
    assert [error.id for error in check(None)] == ([] if right else ["portal.E010"])


def send(client, content: bytes):
    file = SimpleUploadedFile("attestation.pdf", content)
    return client.post("/foyer/quotient/", {"quotient": "850", "valid_from": "2026-11-01", "file": file})


def test_a_family_reads_why_and_nothing_is_kept(clamd, now, town, db):
    client = family("roux", "Roux", "Lina").client()
    clamd.answer = [b"stream: Eicar-Test-Signature FOUND\0"]
    assert "L&#x27;antivirus a trouvé" in send(client, pdf(WHOLE)).text
    clamd.fault = "down"
    page = send(client, image_bytes("JPEG")).text
    assert "n&#x27;a pas pu être vérifié" in page and 'value="850' in page, "what was typed stays"
    assert not Document.objects.exists() and not ChangeRequest.objects.exists()
    clamd.fault, clamd.answer = "", [b"stream: OK\0"]
    assert send(client, pdf(WHOLE)).status_code == 302
    assert clamd.asked[-1][1] == pdf(WHOLE)


def test_the_log_tells_the_operator_and_names_no_file(clamd, caplog):
    clamd.answer = [b"stream: Eicar-Test-Signature FOUND\0"]
    with pytest.raises(Infected):
        scanning.scan(b"secret")
    assert "Eicar-Test-Signature FOUND" in caplog.text and "secret" not in caplog.text


# The real one ------------------------------------------------------------------------------------------


@pytest.fixture
def real_clamd(tmp_path: Path, settings) -> Iterator[None]:
    """Debian's clamd with one signature of ours, EICAR's: the town's own come from its own servers."""
    signatures = tmp_path / "signatures"
    signatures.mkdir()
    (signatures / "ours.ndb").write_text(f"Portail.Eicar:0:*:{EICAR.encode().hex()}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = {
        "Foreground": "yes",
        "TCPSocket": port,
        "TCPAddr": "127.0.0.1",
        "DatabaseDirectory": signatures,
        "TemporaryDirectory": tmp_path,
        "StreamMaxLength": "25M",
        "LogFile": tmp_path / "log",
    }
    (tmp_path / "clamd.conf").write_text("".join(f"{name} {value}\n" for name, value in said.items()))
    program = shutil.which("clamd") or "/usr/sbin/clamd"
    process = subprocess.Popen([program, "-c", str(tmp_path / "clamd.conf")], stdout=subprocess.DEVNULL)
    settings.CLAMD_ADDRESS = f"127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                scanning.scan(b"ready?")
                break
            except NotScanned:
                assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.long
def test_the_real_clamd_finds_eicar_and_lets_documents_pass(real_clamd):
    scanning.scan(pdf(WHOLE))
    scanning.scan(image_bytes("PNG", (2000, 1500)))
    scanning.scan(b"x" * (10 * 1024 * 1024))
    with pytest.raises(Infected):
        scanning.scan(EICAR.encode())
    with pytest.raises(Infected):
        scanning.scan(b"%PDF-1.4\n" + EICAR.encode() + b"\n%%EOF")
    with pytest.raises(ValidationError, match="antivirus"):
        uploads.check(SimpleUploadedFile("a.pdf", pdf(WHOLE, after=b"% " + EICAR.encode() + b"\n")))
