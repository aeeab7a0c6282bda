"""Tariffs of real towns: replayed through rows, and carried by the town's file without a difference."""

from contextlib import suppress
from datetime import date
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing.models import ActivityRegie, FormulaTariff, Tariff
from billing.rules import pricing
from portal.conformance import deadline_cases, published_tariffs, published_towns, replay
from portal.conformance.values import Unreadable
from portal.management.commands.replay_towns import Command
from portal.reservations.models import DeadlineRule
from portal.reservations.towns import fields, town_file
from tests import DATA
from tests.billing.conftest import MEALS, eats
from tests.factories import paris

pytestmark = pytest.mark.once


TOWNS = published_towns.read(DATA / "towns.yaml")
COMMUNES = published_towns.read(DATA / "communes.yaml")
PRICE_CASES = list(replay.cases(TOWNS, "prices"))


@pytest.mark.django_db
@pytest.mark.parametrize("case", PRICE_CASES, ids=str)
def test_price_that_a_town_publishes(case):
    assert case.run() is None


@pytest.mark.django_db
@pytest.mark.parametrize("case", list(replay.cases(TOWNS, "absences")), ids=str)
def test_absence_that_a_town_publishes(case):
    assert case.run() is None


@pytest.mark.django_db
def test_invented_towns_are_decided_as_their_words_say():
    outcomes = {str(case): Command().outcome(case) for case in replay.cases(COMMUNES)}
    assert {case: reason for case, reason in outcomes.items() if reason} == {}
    assert len(outcomes) > 160
    assert list(replay.remarks(COMMUNES)) == []


REPAS = {"id": "repas", "type": "flat", "price": "4.00"}
BANDS = {"id": "repas", "type": "bands"}
EFFORT = {"id": "repas", "type": "effort"}


def answers(*towns):
    """Why each case of these towns fails, or None."""
    return [Command().outcome(case) for case in replay.cases({"towns": towns})]


def answer(row, /, **case):
    """Why a case of that tariff fails, or None."""
    [said] = answers({"id": "ici", "tariffs": [row], "worked_prices": [{"tariff": "repas"} | case]})
    return said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tariff", "reason"),
    [
        ({"id": "repas", "type": "forfait"}, "tariffs › repas › type : « forfait » n'est pas prévu"),
        ({"id": "repas", "type": "flat"}, "tariffs › repas : Le champ « price »"),
        (REPAS | {"price": "-2"}, "tariffs › repas : « -2.00 » n'est pas un prix."),
        (REPAS | {"price": "cher"}, "tariffs › repas : « cher » n'est pas un montant."),
        (BANDS, "tariffs › repas › bands : Au moins une tranche est attendue."),
        (BANDS | {"bands": ["une"]}, "tariffs › repas › bands › 1 : Une tranche a la forme"),
        (BANDS | {"bands": [{"min": "0"}]}, "tariffs › repas › bands › 1 : Le champ « price »"),
        (
            BANDS | {"bands": [{"min": "500", "max": "0", "price": "1"}]},
            "La tranche finit avant de commencer.",
        ),
        (BANDS | {"bands": [{"min": "-5", "price": "1"}]}, "Un montant n'est jamais négatif."),
        (EFFORT | {"floor": "1"}, "tariffs › repas : Le champ « rate_percent » manque."),
        (EFFORT | {"rate_percent": "un"}, "tariffs › repas › rate_percent : « un » n'est pas un montant."),
        (EFFORT | {"rate_percent": "1", "floor": "5", "ceiling": "2"}, "Le plafond est sous le plancher."),
        (REPAS | {"late": {"add": "peu"}}, "tariffs › repas › late › add : « peu » n'est pas un montant."),
        (REPAS | {"late": {"multiply": "-2"}}, "Un prix ou un coefficient n'est jamais négatif."),
        (REPAS | {"late": {"tariff": "tard"}}, "tariffs : « tard » n'est pas dans le fichier."),
        (REPAS | {"valid_from": "hier"}, "« hier » n'est pas une date"),
        (REPAS | {"rank": {"deux": {"add": "1"}}}, "tariffs › repas › rank › deux : « deux » n'est pas"),
    ],
)
def test_a_tariff_that_cannot_be_read_says_where(tariff, reason):
    assert reason in answer(tariff, expect="4.00")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({}, "expect : La valeur manque."),
        ({"expect": "gratuit"}, "expect : « gratuit » n'est pas un montant."),
        ({"expect": "4", "tariff": "repass"}, "Vouliez-vous écrire « repas » ?"),
        ({"expect": "4", "extras": ["gouter"]}, "tariffs : « gouter » n'est pas dans le fichier."),
        ({"expect": "4", "qf": "abc"}, "qf : « abc » n'est pas un montant."),
        ({"expect": "4", "rank": "premier"}, "rank : « premier » n'est pas un nombre entier."),
        ({"expect": "4", "resident": "peut-être"}, "resident : « peut-être » n'est ni oui ni non."),
        ({"expect": "4", "date": "hier"}, "date : « hier » n'est pas une date"),
        ({"expect": "4", "units": "-1"}, "refusé : Une quantité n'est jamais négative."),
    ],
)
def test_a_case_that_cannot_be_read_says_where(case, reason):
    assert reason in answer(REPAS, **case)


@pytest.mark.django_db
def test_two_grids_of_one_name_may_follow_each_other_but_not_hold_together():
    first, then = REPAS | {"valid_to": "2026-12-31"}, REPAS | {"price": "5.00", "valid_from": "2027-01-01"}
    worked = {"tariff": "repas", "date": "2027-01-01", "expect": "5.00"}
    assert answers(
        {"id": "a", "tariffs": [first, then], "worked_prices": [worked]},
        {"id": "b", "tariffs": [REPAS, REPAS], "worked_prices": [worked]},
    ) == [None, "tariffs : Deux tarifs « repas » sont en vigueur le 01/01/2027."]


@pytest.mark.django_db
def test_words_without_effect_leave_the_other_cases_alone_and_are_to_be_looked_at():
    town = {"id": "ici", "tariffs": [REPAS | {"late": "environ 50 %"}]}
    assert answers(town | {"worked_prices": [{"tariff": "repas", "expect": "4.00"}]}) == [None]
    [remark] = replay.remarks({"towns": [town]})
    assert remark.text.startswith("tariffs › repas › late : « environ 50 % » reste sans effet")


@pytest.mark.django_db
def test_bands_that_overlap_are_to_be_looked_at():
    bands = [{"min": "0", "max": "500", "price": "1"}, {"min": "400", "max": None, "price": "2"}]
    town = {"id": "ici", "tariffs": [BANDS | {"bands": bands}]}
    assert [remark.text for remark in replay.remarks({"towns": [town]})] == [
        "tariffs › repas : Deux tranches se chevauchent, de 400 à 500 : la tranche du dessous compte."
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "billed"),
    [
        ({"maladie": "non facturée si certificat sous 48h"}, 0),
        ({"maladie": "facturée sauf certificat sous 3 jours"}, 0),
        ({"maladie": "facturée, même avec certificat"}, 3),
        ({"maladie": "non facturée, deux jours de carence"}, 2),
        ({"type": "carence", "days": 1}, 1),
        ("non facturée sur certificat, 1 jour de carence", 1),
        ({"maladie": "non remboursée"}, 3),
        ({"maladie": "remboursée sur certificat", "carence": "2 jours"}, 2),
        ({"within_hours": "48h", "carence_days": 0}, 0),
        ({"certificate": "never"}, 3),
    ],
)
def test_the_words_of_a_rule_of_absences(said, billed):
    worked = {
        "absent": ["2026-11-30", "2026-12-01", "2026-12-03"],
        "certificate": "2026-12-01T09:00",
        "billed_days": billed,
    }
    assert answers({"id": "ici", "absences": said, "worked_absences": [worked]}) == [None]


@pytest.mark.django_db
def test_every_published_tariff_survives_the_town_file(canteen):
    for town in [*TOWNS["towns"], *COMMUNES["towns"]]:
        for place, row in enumerate(town.get("tariffs") or []):
            tariff = published_tariffs.write(row, f"{town['id']}-{place}".replace("_", "-"))
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


TARIFF = """
tarifs:
- code: repas
  nom: Repas
"""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rest", "remark"),
    [
        ("  tranches: [{de: 0, à: 500, prix: 1}, {de: 400, prix: 2}]", "Deux tranches se chevauchent"),
        ("  tranches: []", "La grille est vide : ajoutez au moins une tranche."),
        ("  principe: unique", "Un prix unique a une seule ligne, sans bornes."),
        ("  principe: taux_d'effort", "Ce tarif n'a pas encore de taux."),
        (
            "  principe: taux_d'effort\n  taux: [{quotient_du_plancher: 300, quotient_du_plafond: 900}]",
            "Un tarif progressif a un plancher, un plafond, et le quotient de chacun.",
        ),
        (
            "  tranches: [{de: 0, prix: {r1: 2}}]\n"
            "  règles_particulières: [{quand: hors_commune, effet: colonne, colonne: ext}]",
            "La grille n'a pas la colonne « ext » d'une règle particulière.",
        ),
        (
            "  tranches: [{de: 0, prix: 2}]\n  sans_quotient: tranche\n  tranche_sans_quotient: Z",
            "La tranche « Z », sans quotient, n'est pas dans la grille.",
        ),
        (
            "  tranches: [{de: 0, prix: {demi: 2, journee: 3}}]",
            "Écrivez toutes les colonnes dans « colonnes »",
        ),
        (
            "  tranches: [{de: 0, prix: {r1: 2}}]\n"
            "  formules: [{formule: restauration-scolaire/repas, colonne: r9}]",
            "La grille n'a pas la colonne « r9 » de la formule « Repas ».",
        ),
    ],
)
def test_what_the_desk_would_warn_of_is_said_and_loaded(canteen, rest, remark):
    [said] = town_file.load(TARIFF + rest).to_check
    assert said.startswith(f"Ligne 3 (tarifs › repas) : {remark}")
    assert Tariff.objects.get().code == "repas"


@pytest.mark.django_db
def test_what_is_to_check_in_several_tariffs_is_said_once():
    grid = "\n  tranches: [{de: 0, à: 499, prix: 1,20}, {de: 500, à: 899, prix: 2}, {de: 900, prix: 3}]\n"
    text = "tarifs:\n" + "".join(f"- code: t{number}\n  nom: T{grid}" for number in range(1, 6))
    [said] = town_file.load(text).to_check
    assert said.startswith(
        "Lignes 2 (tarifs › t1), 5 (tarifs › t2), 8 (tarifs › t3) et 2 autres : Les tranches"
    )


@pytest.mark.django_db
@pytest.mark.parametrize("town", [*TOWNS["towns"], *COMMUNES["towns"]], ids=lambda town: town["id"])
def test_each_published_town_comes_back_as_it_went(town):
    """Its tariffs, and its deadlines where they can be read."""
    for place, row in enumerate(town.get("tariffs") or []):
        published_tariffs.write(row, f"{town['id']}-{place}".replace("_", "-"))
    for rule in town.get("rules") or []:
        with suppress(Unreadable):
            deadline_cases.make_row(town, rule)
    written = town_file.export()
    assert town_file.load(written).changes_nothing
    Tariff.objects.all().delete()
    DeadlineRule.objects.all().delete()
    town_file.load(written)
    assert town_file.export() == written


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rest", "refusal"),
    [
        (
            "  règles_particulières: [{quand: hors_délai, effet: prix, valeur: -3}]",
            "Un prix ou un coefficient n'est jamais négatif.",
        ),
        (
            "  règles_particulières: [{quand: hors_commune, effet: multiplie, valeur: -1.5}]",
            "Un prix ou un coefficient n'est jamais négatif.",
        ),
        ("  part_de_garde: 250", "Une part ne dépasse pas cent pour cent."),
    ],
)
def test_amounts_that_make_no_sense_are_refused(db, rest, refusal):
    with pytest.raises(fields.TownFileError, match="Ligne 5") as error:
        town_file.load(TARIFF + rest)
    assert refusal in str(error.value)
    assert not Tariff.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "grid",
    [
        "  tranches: [{prix: {demi: 3, journee: 5}}]",
        "  principe: taux_d'effort\n  taux: [{colonne: demi, taux: 0.3}, {colonne: journee, taux: 0.5}]",
    ],
)
def test_without_a_column_a_formula_pays_the_first_of_the_tariff_whatever_the_order_of_its_prices(grid):
    town_file.load(TARIFF + "  colonnes: [journee, demi]\n" + grid)
    facts = pricing.Facts(quotient=Decimal(1000))
    assert pricing.price(Tariff.objects.get().rule(), facts).amount == Decimal("5.00")


@pytest.mark.django_db
def test_amounts_are_written_as_people_write_them():
    town_file.load(TARIFF + "  tranches: [{de: 0, à: 1 250, prix: '2,50 €'}, {de: '1\u202f250,01', prix: 3}]")
    low, high = Tariff.objects.get().rule().bands
    assert (str(low.high), str(low.prices[""]), str(high.low)) == ("1250.00", "2.50", "1250.01")


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
    with pytest.raises(fields.TownFileError) as refusal:
        town_file.load(text)
    assert [problem.line for problem in refusal.value.problems] == [6, 7, 9]
    assert "restauration-scolaire/repas" in str(refusal.value)
    assert not Tariff.objects.exists()


TODAY = paris(2026, 11, 9, 10)


@pytest.fixture
def eaten(meals, books):
    """Lina has eaten four times at 3.20."""
    eats(books)
    return town_file.export()


def costs(day):
    (tariff,) = Tariff.objects.in_force(day).with_rules()
    return str(pricing.price(tariff.rule(), pricing.Facts(Decimal(900)), day).amount)


def test_other_prices_of_the_file_are_asked_about_and_leave_what_was_eaten(eaten):
    """Four meals at 3.20, 4.00 in the file: 3.20 stays until today."""
    text = eaten.replace("3.20", "4.00")
    with pytest.raises(town_file.ChangesThePast, match="4 présences gardent leur prix"):
        town_file.load(text, at=TODAY)
    assert costs(date(2027, 1, 5)) == "3.20"
    foreseen = town_file.load(text, at=TODAY, dry_run=True)
    assert "à partir du 10 novembre 2026" in foreseen.asked[0]
    assert Tariff.objects.count() == 1
    assert town_file.load(text, at=TODAY, confirmed=True).asked == foreseen.asked
    assert [costs(day) for day in (MEALS[0], TODAY.date(), date(2026, 11, 10))] == ["3.20", "3.20", "4.00"]
    kept = Tariff.objects.get(code="repas-2026-jusqu-au-2026-11-09")
    assert (kept.modifiers.count(), kept.formulas.count()) == (2, 1)


def test_the_same_file_once_more_and_what_it_exports_change_nothing(eaten, books):
    text = eaten.replace("3.20", "4.00")
    town_file.load(text, at=TODAY, confirmed=True)
    for again in (text, town_file.export()):
        report = town_file.load(again, at=TODAY)
        assert not report.changed and not report.asked
    assert Tariff.objects.count() == 2
    eats(books, [date(2026, 12, 1)])
    town_file.load(text.replace("4.00", "5.00"), at=paris(2026, 12, 20), confirmed=True)
    days = (MEALS[0], date(2026, 12, 1), date(2027, 1, 5))
    assert [costs(day) for day in days] == ["3.20", "4.00", "5.00"]


def test_a_later_first_day_in_the_file_says_from_when_the_new_prices_hold(eaten):
    text = eaten.replace("3.20", "4.00").replace("du: 2026-09-01", "du: 2027-01-01")
    town_file.load(text, at=TODAY, confirmed=True)
    assert [costs(day) for day in (MEALS[0], date(2026, 12, 31), date(2027, 1, 1))] == [
        "3.20",
        "3.20",
        "4.00",
    ]


def test_before_the_first_meal_a_slip_is_corrected_without_a_question(meals):
    town_file.load(town_file.export().replace("3.20", "4.00"), at=TODAY)
    assert costs(MEALS[0]) == "4.00"
    assert Tariff.objects.count() == 1


def test_names_and_dates_make_no_version(eaten):
    report = town_file.load(eaten.replace("nom: Repas", "nom: Midi"), at=TODAY)
    assert report.changed and not report.asked
    assert Tariff.objects.count() == 1


def test_prices_of_a_tariff_that_is_over_stay(eaten):
    with pytest.raises(fields.TownFileError, match="Ce tarif est fini"):
        town_file.load(eaten.replace("3.20", "4.00"), at=paris(2027, 9, 5), confirmed=True)


def test_the_command_says_what_it_would_do_and_waits_for_a_word(eaten, tmp_path, now):
    file = tmp_path / "town.yaml"
    file.write_text(eaten.replace("3.20", "4.00"), encoding="utf-8")
    with pytest.raises(CommandError, match=r"(?s)rien n'a été modifié.*10 novembre 2026.*--confirmer"):
        call_command("load_town", str(file))
    out = StringIO()
    call_command("load_town", str(file), "--confirmer", stdout=out)
    assert "gardent leur prix, sous « repas-2026-jusqu-au-2026-11-09 »" in out.getvalue()


REGIES = """régies:
  - nom: Centre de loisirs
    code: LOISIRS
    lettres: CL
    iban: FR14 2004 1010 0505 0001 3M02 606
    activités:
      - {activité: restauration-scolaire}
"""


def test_further_regies_and_what_they_bill(canteen):
    """Where there are none, the file has no word of them."""
    assert "régies:" not in town_file.export().replace("# ", "")
    town_file.load(REGIES)
    assert ActivityRegie.objects.get().activity == canteen.activity
    text = town_file.export()
    assert "- {activité: restauration-scolaire}" in text
    assert not town_file.load(text).changed
    with pytest.raises(fields.TownFileError) as refused:
        town_file.load(REGIES.replace("LOISIRS", "PISCINE").replace("Centre de loisirs", "Piscine"))
    assert "deux régies n'ont jamais les mêmes numéros" in str(refused.value.problems)
