"""Names stand on paper in their own letters: a font that has them is installed with the portal."""

import subprocess

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "Şahin",
        "Nguyễn",
        "Łukasik",
        "Иванова",
        "Παπαδόπουλος",
        "محمد",
        "לוי",
        "ქეთევან",
        "அருண்",
        "阮",
        "김",
        "さくら",
    ],
)
def test_each_letter_of_a_name_has_its_glyph(name: str):
    for letter in set(name):
        found = subprocess.run(
            ["fc-list", f":charset={ord(letter):x}", "family"], capture_output=True, text=True, check=True
        )
        assert found.stdout.strip(), f"No font has {letter!r}."
