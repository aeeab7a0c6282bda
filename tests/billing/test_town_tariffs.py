"""Tariffs of real towns: replayed through rows, and carried by the town's file without a difference."""

from pathlib import Path

import pytest

from billing import published
from billing.models import FormulaTariff, Tariff
from portal.reservations import town_file, town_replay

TOWNS = town_replay.read(Path(__file__).parent.parent / "data" / "towns.yaml")
PRICE_CASES = list(town_replay.cases(TOWNS, "prices"))


@pytest.mark.django_db
@pytest.mark.parametrize("case", PRICE_CASES, ids=str)
def test_price_that_a_town_publishes(case):
    assert case.run() is None


@pytest.mark.django_db
@pytest.mark.parametrize("case", list(town_replay.cases(TOWNS, "absences")), ids=str)
def test_absence_that_a_town_publishes(case):
    assert case.run() is None


@pytest.mark.django_db
def test_every_published_tariff_survives_the_town_file(canteen):
    for town in TOWNS["towns"]:
        for place, row in enumerate(town.get("tariffs") or []):
            tariff = published.write(row, f"{town['id']}-{place}".replace("_", "-"))
            if place == 0:
                FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff, audience="resident")
    rules = {tariff.code: tariff.rule() for tariff in Tariff.objects.with_rules()}
    text = town_file.export()
    report = town_file.load(text)
    assert not report.created and not report.changed and not report.removed
    Tariff.objects.all().delete()
    town_file.load(text)
    assert {tariff.code: tariff.rule() for tariff in Tariff.objects.with_rules()} == rules
    assert town_file.export() == text


@pytest.mark.django_db
def test_a_wrong_tariff_in_the_file_is_named_with_its_line(canteen):
    text = """
tarifs:
- code: repas
  nom: Repas
  tranches:
  - {de: 400, à: 100, prix: 2}
  - {de: 500, prix: -1}
  formules:
  - {formule: restauration-scolaire/repass}
"""
    with pytest.raises(town_file.TownFileError) as refusal:
        town_file.load(text)
    assert [problem.line for problem in refusal.value.problems] == [6, 7, 9]
    assert "restauration-scolaire/repas" in str(refusal.value)
    assert not Tariff.objects.exists()
