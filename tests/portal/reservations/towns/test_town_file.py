"""A town's file: loads all or nothing, says mistakes by line and field, comes back the same."""

from datetime import date, time
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

import portal.demo
from billing.models import AdultPrice
from families.models import Diet, ReadyAnswer, ThreadKind
from portal.desk import reasons
from portal.models import RefusalReason, Town
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Audience,
    Campaign,
    Capacity,
    Closure,
    DeadlineRule,
    DeadlineWindow,
    Establishment,
    Formula,
    Notice,
    Period,
    PublicHoliday,
    SchoolClass,
    SchoolHoliday,
    TownFile,
)
from portal.reservations.models.campaigns import USUAL_AUDIENCES
from portal.reservations.town_sections import usual
from portal.reservations.towns import town_file
from portal.reservations.towns.fields import TownFileError
from tests import ROOT
from tests.factories import paris

pytestmark = pytest.mark.once


DEMO = (Path(portal.demo.__file__).parent / "town.yaml").read_text(encoding="utf-8")
DOCS = ROOT / "docs" / "town-file.md"

SMALL = """\
commune:
  nom: Saint-Exemple
établissements:
  - code: verger
    nom: Restaurant du Verger
    type: restaurant
    écoles: [tilleuls]
  - code: tilleuls
    nom: École des Tilleuls
    type: école
années_scolaires:
  - {nom: 2026-2027, du: 2026-09-01, au: 2027-07-02}
règles_de_délai:
  - nom: La veille
    principe: jours_avant
    nombre: 1
    heure: 10 h 30
activités:
  - code: cantine
    nom: Restauration scolaire
    service: cantine
    établissements: [verger]
    formules:
      - {code: repas, nom: Repas, moments: [midi]}
    périodes:
      - {code: annee, nom: Année, année: 2026-2027, du: 2026-09-01, au: 2027-07-02}
    places:
      - {établissement: verger, moment: midi, formule: repas, places: 120}
    délais:
      - {pour: réserver, règle: La veille, en_retard: accord, majoration: ajout, montant: "1,50"}
"""


def problems_of(text):
    """What the file is told to change, and nothing was written."""
    with pytest.raises(TownFileError) as caught:
        town_file.load(text)
    assert not Establishment.objects.exists()
    return [(problem.line, problem.where, problem.text) for problem in caught.value.problems]


# What it says -----------------------------------------------------------------------------------------


def test_every_kind_of_row_arrives(db):
    town_file.load(SMALL)
    verger = Establishment.objects.get(code="verger")
    activity = Activity.objects.get(code="cantine")
    deadline = ActivityDeadline.objects.get()
    assert Town.objects.get().name == "Saint-Exemple"
    assert [school.code for school in verger.schools.all()] == ["tilleuls"]
    assert list(activity.establishments.all()) == [verger]
    assert Formula.objects.get().parts == ["noon"]
    assert Period.objects.get().school_year.name == "2026-2027"
    assert Capacity.objects.get().places == 120
    assert (deadline.rule.at, deadline.late, deadline.surcharge) == (time(10, 30), "accept", "add")
    assert deadline.surcharge_amount == Decimal("1.50")


def test_every_kind_of_rule_arrives(db):
    town_file.load(
        """\
règles_de_délai:
  - {nom: a, principe: jours_avant, nombre: 2, jours_comptés: ouvrés, sans_ces_jours: [mercredi], heure: 9 h}
  - {nom: b, principe: heures_avant, nombre: 48, instant_de_référence: "12:00", heure_incluse: non}
  - {nom: c, principe: semaine_avant, nombre: 2, jour: jeudi, heure: 12 h}
  - nom: d
    principe: tableau
    tableau: {lundi: jeudi 15:00, mardi: vendredi, jeudi: mardi 9 h (1 semaine plus tôt), vendredi: jamais}
    tableau_si_lundi_férié: {mardi: jeudi 15:00}
  - {nom: e, principe: jour_même, heure: "9:00"}
  - {nom: f, principe: jour_du_mois, jour_du_mois: 20}
  - {nom: g, principe: jours_francs, nombre: 15, depuis_le_dernier_jour_de_classe: oui}
  - nom: h
    principe: fenêtres
    fenêtres:
      - {du: 2026-12-19, au: 2027-01-03, ouvre: 2026-11-02 08:00, clôt: 2026-12-04 18:00, pour: commune}
  - {nom: i, principe: jamais}
"""
    )
    rule = {rule.name: rule for rule in DeadlineRule.objects.all()}
    assert (rule["a"].day_unit, rule["a"].skip_weekdays, rule["a"].at) == ("working", 0b100, time(9))
    assert (rule["b"].number, rule["b"].reference_time, rule["b"].inclusive) == (48, time(12), False)
    assert (rule["c"].number, rule["c"].weekday, rule["c"].at) == (2, 3, time(12))
    assert rule["d"].table == {"0": [3, "15:00"], "1": [4, None], "3": [1, "09:00", 1], "4": None}
    assert rule["d"].holiday_monday_table == {"1": [3, "15:00"]}
    assert rule["f"].month_day == 20
    assert rule["g"].from_last_school_day
    window = DeadlineWindow.objects.get()
    assert window.opens_at == paris(2026, 11, 2, 8)
    assert (window.covers_from, window.audience) == (date(2026, 12, 19), "resident")
    again = town_file.export()
    assert town_file.load(again).changed == []
    assert town_file.export() == again


# Repeating it -----------------------------------------------------------------------------------------


def test_loading_twice_changes_nothing(db):
    first = town_file.load(SMALL)
    again = town_file.load(SMALL)
    assert (again.created, again.changed, again.removed) == ([], [], [])
    assert len(again.unchanged) == len(first.created) == 10


def test_a_changed_field_changes_one_row(db):
    town_file.load(SMALL)
    report = town_file.load(SMALL.replace("places: 120", "places: 90"))
    assert (report.created, report.changed) == (
        [],
        ["capacité habituelle « Restaurant du Verger – midi : 90 »"],
    )


def test_a_field_left_out_takes_its_usual_value_and_a_relation_is_emptied(db):
    town_file.load(SMALL)
    town_file.load(SMALL.replace("    écoles: [tilleuls]\n", ""))
    assert not Establishment.objects.get(code="verger").schools.exists()


def test_rows_that_the_file_does_not_name_are_left(db):
    PublicHoliday.objects.create(day=date(2026, 11, 11), name="Armistice de 1918")
    town_file.load(SMALL)
    assert PublicHoliday.objects.count() == 1


def test_windows_are_those_of_the_file(db):
    text = """\
règles_de_délai:
  - nom: Vacances
    principe: fenêtres
    fenêtres:
      - {du: 2026-12-19, au: 2026-12-24, clôt: 2026-12-04 18:00}
      - {du: 2026-12-26, au: 2026-12-31, clôt: 2026-12-11 18:00}
"""
    town_file.load(text)
    report = town_file.load("\n".join(text.splitlines()[:5]))
    assert len(report.removed) == 1
    assert DeadlineWindow.objects.get().covers_from == date(2026, 12, 19)


def test_campaigns_come_back_and_what_no_campaign_speaks_of_is_not_written(db):
    town_file.load(SMALL)
    for code, label, belonging, order in USUAL_AUDIENCES:
        Audience.objects.create(code=code, label=label, belonging=belonging, order=order)
    written = town_file.export()
    assert "publics" not in written and "campagnes" not in written
    text = """\
campagnes_d_inscription:
  - {année: 2026-2027, ouvre: 2026-06-01 08:00, clôt: 2026-07-15 18:00}
  - {année: 2026-2027, activité: cantine, public: hors-commune, ouvre: 2026-06-21 08:00}
"""
    assert len(town_file.load(text).created) == 2
    assert Campaign.objects.get(activity=None).opens_at == paris(2026, 6, 1, 8)
    assert Campaign.objects.get(audience__code="hors-commune").activity.code == "cantine"
    written = town_file.export()
    report = town_file.load(written)
    assert (report.created, report.changed, report.removed) == ([], [], [])
    Campaign.objects.all().delete()
    Audience.objects.all().delete()
    town_file.load(written)
    assert town_file.export() == written


def test_a_trial_writes_nothing(db):
    assert len(town_file.load(SMALL, dry_run=True).created) == 10
    assert not Establishment.objects.exists()


def test_the_demo_town_comes_back_as_it_went(db):
    assert town_file.load(DEMO).to_check == []
    written = town_file.export()
    report = town_file.load(written)
    assert (report.created, report.changed, report.removed) == ([], [], [])
    assert town_file.export() == written
    AdultPrice.objects.all().delete()  # a price keeps its formula
    Activity.objects.all().delete()
    DeadlineRule.objects.all().delete()
    Diet.objects.all().delete()
    for model in (Period, Establishment, SchoolHoliday, PublicHoliday, Town):
        model.objects.all().delete()
    town_file.load(written)
    assert town_file.export() == written


def test_texts_of_several_lines_come_back(db):
    Town.objects.create(name="Saint-Exemple", address="Mairie\r\n1 place : « du marché » # bis\n")
    written = town_file.export()
    assert town_file.load(written).changes_nothing, "lines end as the browser ended them"
    Town.objects.all().delete()
    town_file.load(written)
    assert Town.objects.get().address == "Mairie\n1 place : « du marché » # bis"
    assert town_file.export() == written


def test_a_text_typed_at_the_desk_is_the_same_in_the_file_and_another_one_is_not(db):
    answer = ReadyAnswer.objects.create(name="Merci", text=" Bonjour,\r\n\r\n  merci. \r\n")
    written = town_file.export()
    assert town_file.load(written).changes_nothing
    answer.refresh_from_db()
    assert answer.text == " Bonjour,\r\n\r\n  merci. \r\n"
    assert town_file.load(written.replace("  merci.", "  merci")).changed == ["réponse prête « Merci »"]
    answer.refresh_from_db()
    assert answer.text == "Bonjour,\n\n  merci"


# Mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        (
            "type: restaurant",
            "type: hôpital",
            (
                6,
                "établissements › verger › type",
                "« hôpital » n'est pas prévu ici. Possible : école, restaurant, centre.",
            ),
        ),
        (
            "    nom: École des Tilleuls\n",
            "",
            (8, "établissements › tilleuls › nom", "Le champ « nom » manque."),
        ),
        (
            "écoles: [tilleuls]",
            "écoles: [tileuls]",
            (
                7,
                "établissements › verger › écoles",
                "« tileuls » : aucun établissement de ce nom. Vouliez-vous écrire « tilleuls » ?",
            ),
        ),
        (
            "    heure: 10 h 30",
            "    heure: dix heures",
            (
                17,
                "règles_de_délai › La veille › heure",
                "« dix heures » n'est pas une heure. Écrivez-la ainsi : 10:00.",
            ),
        ),
        (
            "    nombre: 1\n",
            "    nombre: -1\n",
            (16, "règles_de_délai › La veille › nombre", "« -1 » n'est pas un nombre entier."),
        ),
        (
            "    nombre: 1\n",
            "    nombres: 1\n",
            (
                16,
                "règles_de_délai › La veille",
                "Le champ « nombres » n'existe pas ici. Vouliez-vous écrire « nombre » ?",
            ),
        ),
        (
            "service: cantine",
            "service: cantinne",
            (
                21,
                "activités › cantine › service",
                "Le service « cantinne » n'est pas installé. Vouliez-vous écrire « cantine » ?",
            ),
        ),
        (
            "du: 2026-09-01, au: 2027-07-02}\nrègles",
            "du: 2026-09-31, au: 2027-07-02}\nrègles",
            (
                12,
                "années_scolaires › 2026-2027 › du",
                "« 2026-09-31 » n'est pas une date. Écrivez-la ainsi : 2026-09-01.",
            ),
        ),
        (
            "commune:\n",
            "communes:\n",
            (1, "", "La rubrique « communes » n'existe pas. Vouliez-vous écrire « commune » ?"),
        ),
        (
            "moments: [midi]",
            "moments: {midi: oui}",
            (
                24,
                "activités › cantine › formules › repas › moments",
                "Une liste est attendue ici, par exemple [lundi, mardi].",
            ),
        ),
        (
            "{code: repas, nom: Repas, moments: [midi]}",
            "{code: repas, nom: Repas, midi, moments: [midi]}",
            (
                24,
                "activités › cantine › formules › repas",
                "Le champ « midi » n'existe pas ici. Entre accolades, une virgule sépare deux champs : un"
                " texte qui en contient une se met entre guillemets.",
            ),
        ),
        (
            "    nombre: 1\n",
            "    nombre: 1\n    nombre: 2\n",
            (
                17,
                "règles_de_délai › La veille",
                "Le champ « nombre » est écrit deux fois : il l'est déjà à la ligne 16.",
            ),
        ),
        (
            "commune:\n  nom: Saint-Exemple\n",
            "commune:\n  nom:Saint-Exemple\n",
            (
                2,
                "commune",
                "« nom:Saint-Exemple » : une espace manque après les deux-points."
                " Écrivez « nom: Saint-Exemple ».",
            ),
        ),
    ],
)
def test_a_mistake_names_its_line_and_field(db, right, wrong, problem):
    assert right in SMALL
    assert problem in problems_of(SMALL.replace(right, wrong, 1))


def test_the_models_own_sentences_stand_at_the_field(db):
    found = problems_of(SMALL.replace("    nombre: 1\n", ""))
    assert (14, "règles_de_délai › La veille › nombre", "Indiquez combien de jours avant.") in found


def test_a_year_that_ends_before_it_begins_is_refused(db):
    found = problems_of(
        SMALL.replace("du: 2026-09-01, au: 2027-07-02}\nrègles", "du: 2027-09-01, au: 2027-07-02}\nrègles")
    )
    assert (12, "années_scolaires › 2026-2027", "L'année scolaire doit finir après son début.") in found


def test_all_mistakes_are_told_at_once_and_none_twice(db):
    found = problems_of(SMALL.replace("type: école", "type: ecol").replace("10 h 30", "25 h"))
    assert [line for line, *_ in found] == [10, 17]


def test_the_same_row_twice_is_a_mistake(db):
    twice = SMALL.replace(
        "années_scolaires", "  - {code: verger, nom: Bis, type: restaurant}\nannées_scolaires"
    )
    assert (11, "établissements › verger", "Déjà écrit à la ligne 4.") in problems_of(twice)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- une liste",
        "commune: [",
        "commune:\n\tnom: x",
        "commune: x",
        "établissements: {a: b}",
        "établissements: [[a]]",
        "[a]: b",
        "a: *b",
        "? [a, b]\n: c",
        "a: " + "[" * 2000 + "]" * 2000,
        "é: &a [*a]",
    ],
)
def test_what_is_no_such_file_is_told_so(db, text):
    assert problems_of(text)


def test_accents_and_signs_of_the_fields_do_not_matter(db):
    town_file.load("etablissements:\n  - {code: a, nom: A, type: Ecole, en service: non, telephone: 3975}\n")
    assert not Establishment.objects.get().active


def test_what_can_only_mean_one_thing_is_understood(db):
    slips = SMALL.replace("moments: [midi]", "moments: midi").replace('"1,50"}', "1,50}")
    slips = slips.replace("{code: repas,", "{code:repas,").replace("écoles: [tilleuls]", "écoles: tilleuls")
    town_file.load(SMALL)
    assert town_file.load(slips).changes_nothing


def test_the_words_are_french_and_the_old_spellings_still_load(db):
    old = SMALL.replace("service: cantine", "service: catering")
    old = old.replace("commune:\n", "commune:\n  heure: Pacific/Marquesas\n")
    old += """\
moyens_de_paiement:
  - {code: cash, libellé: Espèces}
  - {code: bons, libellé: Bons de la commune}
textes_des_lettres:
  - {lettre: families/paper_asked, fin: À bientôt.}
"""
    town_file.load(old)
    written = town_file.export()
    assert "service: cantine\n" in written and "heure: les Marquises\n" in written
    assert "code: espèces\n" in written and "code: bons\n" in written
    assert "families/" not in written and "lettre: toutes" not in written
    assert town_file.load(written).changes_nothing
    assert town_file.export() == written


def test_a_colour_that_cannot_be_read_on_white_is_refused_as_at_the_desk(db):
    [(line, where, said)] = problems_of("commune:\n  nom: A\n  couleur: '#ffee00'\n")
    assert (line, where) == (3, "commune › A › couleur")
    assert said.startswith("« #ffee00 » se lit mal sur le blanc. La plus proche qui convient : '#")


# What it would change -----------------------------------------------------------------------------------


def told(report):
    return [
        (one.kind.value, one.label, [(field.key, field.before, field.after) for field in one.fields])
        for one in report.differences
    ]


def test_differences_are_told_row_by_row_and_field_by_field(db):
    town_file.load(SMALL)
    text = SMALL.replace("écoles: [tilleuls]", "écoles: []").replace("places: 120", "places: 90")
    text = text.replace("    heure: 10 h 30\n", "").replace("en_retard: accord", "en_retard: demande")
    text += "jours_fériés:\n  - {jour: 11/11/2026, nom: Armistice}\n"
    report = town_file.load(text, dry_run=True)
    assert told(report) == [
        ("changed", "établissement « Restaurant du Verger »", [("écoles", "tilleuls", "")]),
        ("changed", "règle de délai « La veille »", [("heure", "10:30", "")]),
        (
            "changed",
            "capacité habituelle « Restaurant du Verger – midi : 90 »",
            [("places", "120", "90")],
        ),
        ("changed", told(report)[3][1], [("en_retard", "accord", "demande")]),
        (
            "new",
            "jour férié « Armistice (11/11/2026) »",
            [("jour", "", "2026-11-11"), ("nom", "", "Armistice")],
        ),
    ]
    assert [one.line for one in report.differences] == sorted(one.line for one in report.differences)


def test_what_would_no_longer_be_there_and_what_stays_without_being_named(db):
    windows = """\
règles_de_délai:
  - nom: Vacances
    principe: fenêtres
    fenêtres:
      - {du: 2026-12-19, au: 2026-12-24, clôt: 2026-12-04 18:00}
"""
    town_file.load(SMALL)
    town_file.load(windows)
    report = town_file.load(windows.replace("19,", "20,"), dry_run=True)
    assert sorted(kind for kind, *_ in told(report)) == ["gone", "new"]
    assert report.left == ["règle de délai « La veille »"]


def test_a_fingerprint_is_of_what_changes_in_the_town_as_it_is(db):
    town_file.load(SMALL)
    text = SMALL.replace("places: 120", "places: 90")
    read = town_file.load(text, dry_run=True)
    Capacity.objects.update(places=100)
    with pytest.raises(town_file.Otherwise) as otherwise:
        town_file.load(text, expected=read.fingerprint)
    assert Capacity.objects.get().places == 100
    assert [one.fields for one in otherwise.value.report.differences] == [(("places", "100", "90"),)]
    # What the file does not touch may change meanwhile.
    PublicHoliday.objects.create(day=date(2026, 11, 11), name="Armistice")
    town_file.load(text, expected=otherwise.value.report.fingerprint)
    assert Capacity.objects.get().places == 90


def test_what_was_loaded_is_kept_and_what_changed_nothing_is_not(db):
    at = paris(2026, 11, 9, 10)
    town_file.load(SMALL, dry_run=True, at=at)
    assert not TownFile.objects.exists()
    town_file.load(SMALL, at=at)
    town_file.load(SMALL, at=at)
    kept = TownFile.objects.get()
    assert (kept.text, kept.sha256, kept.by, kept.loaded_at) == (SMALL, town_file.digest(SMALL), None, at)
    assert (kept.created, kept.changed, kept.removed, kept.unchanged) == (10, 0, 0, 0)


def test_classes_closures_notices_and_objects_of_messages_go_and_come(db):
    text = (
        SMALL
        + """\
classes:
  - {nom: CE1/CE2, école: tilleuls, année: 2026-2027}
  - {nom: Petite section, école: tilleuls, année: 2026-2027, niveau: maternelle}
fermetures:
  - {du: 2027-05-07, au: 2027-05-07, motif: pont}
  - {du: 2027-06-03, au: 2027-06-03, motif: sortie_scolaire, texte: Musée, classe: 2026-2027/tilleuls/CE1/CE2}
annonces:
  - titre: Pique-nique
    texte: |-
      Pensez à la gourde.
      Et à la casquette.
    du: 2027-06-01
    au: 2027-06-04
    lieux: [verger]
objets_des_messages:
  - {nom: Facture}
"""
    )
    town_file.load(text)
    trip = Closure.objects.get(why="trip")
    assert (str(trip.school_class), trip.label) == ("CE1/CE2, École des Tilleuls", "Musée")
    # Twice the same, and one that a closure put: neither is written twice.
    Closure.objects.create(starts_on=date(2027, 5, 7), ends_on=date(2027, 5, 7), why="bridge", label="Bis")
    Notice.objects.create(
        title="Fermé", text="Fermé.", starts_on=trip.starts_on, ends_on=trip.ends_on, closure=trip
    )
    written = town_file.export()
    assert written.count("motif: pont") == 1 and "Fermé" not in written
    assert town_file.load(written).changes_nothing
    for model in (Notice, Closure, SchoolClass, ThreadKind):
        model.objects.all().delete()
    assert len(town_file.load(written).created) == 6
    assert town_file.export() == written


# The command -------------------------------------------------------------------------------------


def test_the_command_says_what_it_did(db, tmp_path):
    path = tmp_path / "town.yaml"
    path.write_text(SMALL, encoding="utf-8")
    out = StringIO()
    call_command("load_town", str(path), stdout=out)
    assert "Créé : établissement « École des Tilleuls »" in out.getvalue()
    assert "10 créés, 0 modifiés, 0 retirés, 0 inchangés." in out.getvalue()


def test_the_command_says_what_to_look_at(db, tmp_path):
    path = tmp_path / "town.yaml"
    path.write_text("tarifs: [{code: repas, nom: Repas}]", encoding="utf-8")
    out = StringIO()
    call_command("load_town", str(path), stdout=out)
    assert "À vérifier : Ligne 1 (tarifs › repas) : La grille est vide" in out.getvalue()


def test_the_command_names_lines(db, tmp_path):
    path = tmp_path / "town.yaml"
    path.write_text(SMALL.replace("type: école", "type: ecol"), encoding="utf-8")
    with pytest.raises(CommandError, match=r"Ligne 10 \(établissements › tilleuls › type\)"):
        call_command("load_town", str(path))


@pytest.mark.parametrize("name", ["missing.yaml", "latin.yaml"])
def test_a_file_that_cannot_be_read_is_told_so(db, tmp_path, name):
    (tmp_path / "latin.yaml").write_bytes("commune: {nom: Été}".encode("latin-1"))
    with pytest.raises(CommandError, match=name):
        call_command("load_town", str(tmp_path / name))


def test_the_example_of_the_documentation_loads(db):
    example = DOCS.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    assert town_file.load(example).created


def test_the_zones_of_an_activity_go_and_come(db):
    town_file.load(DEMO)
    Activity.objects.filter(code="restauration-scolaire").update(zones=["A", "C"])
    written = town_file.export()
    assert "zones: [A, C]" in written
    assert town_file.load(written).changed == []


def test_the_reasons_of_refusals_are_those_of_the_file_list_by_list(db):
    """Written where the town changed them; a list that the file names is exactly the file's."""
    RefusalReason.objects.get_or_create(about="families.paper", text="Le papier est plié.")
    text = """\
motifs_de_refus:
  - {pour: inscriptions, motif: Le restaurant est en travaux., ordre: 1}
  - {pour: inscriptions, motif: "Il n'y a plus de place."}
"""
    town_file.load(text)
    assert reasons.of("reservations.enrolment") == [
        "Il n'y a plus de place.",
        "Le restaurant est en travaux.",
    ]
    assert "Le papier est plié." in reasons.of("families.paper")
    written = town_file.export()
    assert "pour: jours" not in written
    RefusalReason.objects.filter(about="reservations.enrolment").delete()
    town_file.load(written)
    assert town_file.export().partition("motifs_de_refus")[2].count("pour: inscriptions") == 2
    with pytest.raises(TownFileError, match="inscription"):
        town_file.load("motifs_de_refus:\n  - {pour: inscription, motif: Non.}\n")


def test_what_families_write_about_and_how_agents_answer_goes_both_ways(db):
    text = """\
objets_des_messages:
  - {nom: Facture, ordre: 20}
réponses_prêtes:
  - nom: Nous vérifions
    texte: |-
      Bonjour {prénom},
      nous vérifions.
    objet: Facture
"""
    town_file.load(text)
    answer = ReadyAnswer.objects.get()
    assert (answer.text, answer.kind.name) == ("Bonjour {prénom},\nnous vérifions.", "Facture")
    assert town_file.load(town_file.export()).changed == []
    with pytest.raises(TownFileError, match="Vous pouvez écrire"):
        town_file.load("réponses_prêtes:\n  - {nom: Non, texte: 'Bonjour {clase}'}\n")


def test_what_the_portal_came_with_is_not_written(db):
    for about in RefusalReason.About.values:
        RefusalReason.objects.filter(about=about).delete()
        for order, one in enumerate(usual(about)):
            RefusalReason.objects.create(about=about, text=one, order=order)
        assert usual(about)
    assert "motifs_de_refus" not in town_file.export()
