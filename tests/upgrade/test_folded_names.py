"""Whoever was known before names were folded is found as whoever comes after."""

import unicodedata

from families.models import Child, Guardian, Household
from portal.french.spelling import folded


def test_everybody_is_found_by_a_folded_name(upgraded):
    for model, columns in (
        (Guardian, ("first_name", "last_name")),
        (Child, ("first_name", "last_name")),
        (Household, ("street", "city")),
    ):
        rows = list(model.objects.all())
        assert rows
        for row in rows:
            words = " ".join(getattr(row, column) for column in columns)
            assert row.folded == folded(words)
            if model is not Household:
                assert words == unicodedata.normalize("NFC", words)
