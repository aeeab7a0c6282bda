"""Hours as names say them."""

from datetime import time

import pytest

from portal.french import moments


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("De 16 h 30 à 18 h", (time(16, 30), time(18))),
        ("7h30-8h30", (time(7, 30), time(8, 30))),
        ("Accueil du matin, 7 H à 8 h 05", (time(7), time(8, 5))),
        ("Repas", None),
        ("Après 18 h", None),
        ("De 18 h à 16 h 30", None),
        ("De 8 h à 12 h et de 14 h à 18 h", None),
        ("De 27 h à 29 h", None),
        ("16 h 75 à 18 h", None),
    ],
)
def test_a_name_that_says_from_when_until_when(words, hours):
    assert moments.hours_in(words) == hours
