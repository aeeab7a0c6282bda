"""Files say what they are and what they are called; CSV is written one way."""

from datetime import date
from decimal import Decimal

import pytest

from portal.files.handing_over import csv_lines, hand_over, spreadsheet


def test_a_file_is_kept_or_looked_at_under_its_name():
    kept, looked_at = hand_over("a", "registre.csv"), hand_over(b"%PDF", "Facture-1.pdf", inline=True)
    assert (kept["Content-Type"], kept["Content-Disposition"]) == (
        "text/csv; charset=utf-8",
        'attachment; filename="registre.csv"',
    )
    assert (looked_at["Content-Type"], looked_at["Content-Disposition"]) == (
        "application/pdf",
        'inline; filename="Facture-1.pdf"',
    )


def test_a_name_breaks_no_header():
    said = hand_over(b"", 'reçu "neuf".pdf')["Content-Disposition"]
    assert said == "attachment; filename*=utf-8''re%C3%A7u%20%22neuf%22.pdf"


def test_a_file_of_an_unknown_kind_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        hand_over("", "lettre.doc")


def test_a_stream_leaves_piece_by_piece():
    answer = hand_over(iter([b"one", b"two"]), "tout.zip")
    assert answer.streaming and list(answer.streaming_content) == [b"one", b"two"]


def test_spreadsheets_read_accents_commas_and_no_formula():
    rows = [("Nom", "Total", "Le"), ("=Zoé", Decimal("12.8"), date(2026, 11, 9)), ("Lina", 3, None)]
    text = "".join(csv_lines(rows))
    assert text == "\ufeffNom;Total;Le\r\n'=Zoé;12,80;09/11/2026\r\nLina;3;\r\n"
    assert spreadsheet("noms.csv", rows).content.decode() == text
