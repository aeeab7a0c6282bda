"""What families may send, and the sentence for what they may not."""

from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile

from portal.files import judging, uploads
from tests.families.conftest import image_bytes
from tests.portal.files.test_pdf_judge import CATALOG, HARMFUL, WHOLE, packed, pdf

pytestmark = pytest.mark.once


PICTURES = Path(django_settings.BASE_DIR) / "tests" / "data" / "pictures"


def refused(content: bytes) -> str:
    file = SimpleUploadedFile("caf.pdf", content)
    with pytest.raises(ValidationError) as refusal:
        uploads.check(file)
    return str(refusal.value.message)


def test_real_pdfs_pass_whatever_programs_leave_around_them():
    whole = pdf(WHOLE)
    for before in (b"", b"\xef\xbb\xbf", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf\r\n", b"\0\0 "):
        for after in (b"", b"\n", b"\0" * 100_000, b"x" * 4096, b"\r\n<!-- signature -->" * 200):
            file = SimpleUploadedFile("caf.pdf", before + whole + after)
            assert uploads.check(file) == "application/pdf"
            assert file.tell() == 0
    assert refused(b"<html>" + whole) == uploads.WRONG_KIND
    assert refused(whole[:-10] + b" " * 5) == uploads.DAMAGED
    assert refused(whole + b"x" * 10_000) == uploads.DAMAGED


def test_a_pdf_that_acts_is_refused_with_what_to_do():
    said = refused(HARMFUL["a script in an object stream"])
    assert said == uploads.ACTS
    assert "une action qui se lance toute seule" in said and "Enregistrer au format PDF" in said


def test_what_nobody_can_verify_is_refused_with_what_to_do():
    assert refused(pdf(WHOLE, after=b"trailer<</Encrypt 5 0 R>>")) == uploads.ENCRYPTED
    assert refused(pdf(WHOLE, after=packed("null", content=b"no"))) == uploads.TOO_MUCH
    assert refused(pdf(WHOLE, after=b"1 0 obj(" * 400_000)) == uploads.TOO_MUCH
    assert "trop compliqué" in uploads.TOO_MUCH and "est protégé" in uploads.ENCRYPTED


def test_a_photo_too_fine_is_refused_for_its_points_and_not_its_weight():
    said = refused((PICTURES / "49-millions.heic").read_bytes())
    assert said == uploads.TOO_MANY_PIXELS
    assert (
        uploads.check(SimpleUploadedFile("a.heic", (PICTURES / "25-millions.heic").read_bytes()))
        == "image/heic"
    )


def test_whoever_waits_too_long_reads_when_to_come_back(monkeypatch):
    def busy(*args: object) -> None:
        raise judging.Busy

    monkeypatch.setattr(judging, "verdict", busy)
    assert refused(image_bytes("JPEG")) == uploads.BUSY == refused(pdf(CATALOG % ""))


def test_what_is_neither_costs_no_process(monkeypatch):
    monkeypatch.setattr(judging, "verdict", None)
    for content in (b"MZ" + b"\0" * 100, b"GIF89a" + b"\0" * 100, b"PK\x03\x04" + b"\0" * 100, b"x"):
        assert refused(content) == uploads.WRONG_KIND
