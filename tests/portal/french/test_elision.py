"""« de » before a name."""

import pytest

from portal.french.elision import of


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Lina", "de Lina"),
        ("Inès", "d'Inès"),
        ("Élise", "d'Élise"),
        ("Œdipe", "d'Œdipe"),
        ("Hugo", "de Hugo"),
        ("Yves", "d'Yves"),
        ("Yasmine", "de Yasmine"),
        ("Y", "de Y"),
        ("", "de "),
    ],
)
def test_it_is_elided_before_a_vowel(name, said):
    assert of(name) == said
