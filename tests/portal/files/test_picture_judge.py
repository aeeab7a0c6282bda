"""Pictures are decoded to their end, with little memory, whatever their few kilobytes unfold to."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from portal.files import picture_judge, uploads
from portal.files.picture_judge import Verdict
from tests.families.conftest import image_bytes

pytestmark = pytest.mark.once


PICTURES = Path(settings.BASE_DIR) / "tests" / "data" / "pictures"
MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-I", *sys.argv[2:]], stdin=open(sys.argv[1]), env={})
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def measured(path: Path, *told: int) -> tuple[int, int]:
    """The verdict of a judge of its own, and the megabytes it took at most."""
    command = [sys.executable, "-c", MEASURED, str(path), picture_judge.__file__, *map(str, told)]
    code, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(code), int(kilobytes) // 1024


LIMITS = (uploads.MOST_PIXELS_OF_HEIC, uploads.MOST_PIXELS)


def test_a_telephones_largest_photo_passes_with_bounded_memory():
    code, megabytes = measured(PICTURES / "25-millions.heic", *LIMITS)
    assert code == Verdict.HEIF
    assert megabytes < 260


def test_a_bomb_of_heic_is_known_by_its_size_before_it_unfolds():
    code, megabytes = measured(PICTURES / "49-millions.heic", *LIMITS)
    assert code == Verdict.TOO_MANY_PIXELS
    assert megabytes < 60


def test_what_lies_about_its_size_finds_no_more_memory():
    """As if 49 million points had passed for few: the process ends, the machine keeps its memory."""
    code, megabytes = measured(PICTURES / "49-millions.heic", 10**9, 10**9)
    assert code == Verdict.DAMAGED
    assert megabytes < 380


def test_a_progressive_jpeg_keeps_within_it_too(tmp_path: Path):
    """It is unfolded whole before its first line is known."""
    Image.new("RGB", (7000, 7000), "navy").save(tmp_path / "p.jpg", progressive=True)
    code, megabytes = measured(tmp_path / "p.jpg", *LIMITS)
    assert code == Verdict.JPEG
    assert megabytes < 260


def test_a_png_is_known_to_be_whole_without_unfolding_it(monkeypatch):
    """Fifty million pixels would take 200 MB of memory."""
    unfolded: list[object] = []
    monkeypatch.setattr(PngImageFile, "load_prepare", unfolded.append)
    assert picture_judge.judge(image_bytes("PNG"), *LIMITS) == Verdict.PNG
    assert unfolded == []


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "AVIF", "BMP"])
def test_other_kinds_are_not_even_opened(kind: str):
    content = io.BytesIO()
    Image.new("RGB", (10, 10)).save(content, kind)
    assert picture_judge.judge(content.getvalue(), *LIMITS) == Verdict.WRONG_KIND
