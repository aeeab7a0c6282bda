"""Towns that say their rules as a town's file does, replayed: known ones, and files that cannot be read."""

import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from portal.conformance import loaded_towns, published_towns, replay
from portal.conformance.published_towns import Document
from portal.conformance.rule_books import Outcome, RuleBook, Sayable
from portal.management.commands import replay_towns
from portal.reservations.models import Activity
from tests import DATA, ROOT

FILES = ("more-towns.yaml", "rules.yaml", "new-rules.yaml")
TOWNS = [(file, town) for file in FILES for town in replay.towns(published_towns.read(DATA / file))]


@pytest.mark.parametrize(("file", "town"), TOWNS, ids=[f"{file}:{town['id']}" for file, town in TOWNS])
def test_what_a_town_can_say_is_decided_as_it_says(db: None, file: str, town: Document) -> None:
    book, wrong = judged(town)
    assert wrong == []
    assert not list(replay.remarks({"towns": [town]}))
    # A rule that comes out right is no longer noted as one that cannot be said.
    assert not list(book.lines)


def judged(town: Document) -> tuple[RuleBook, list[str]]:
    """The rules of the town with what became of their cases, and what came out wrong."""
    book, wrong = RuleBook.of(town), []
    with loaded_towns.held(town) as holding:
        assert holding.left_out == ""
        for case in replay.cases({"towns": [town]}):
            outcome, reason = replay_towns.Command().judged(case, book)
            book.note(case.rule, outcome)
            if outcome in (Outcome.WRONG, Outcome.IN_WORDS):
                wrong.append(f"{case}: {reason}")
    return book, wrong


def test_at_least_forty_rules_are_worked_by_hand() -> None:
    books = [RuleBook.of(town) for _, town in TOWNS]
    assert sum(book.said for book in books) >= 40
    for file, town in TOWNS:
        if file == "rules.yaml":
            told = {
                row.get("rule") for section in town if section.startswith("worked_") for row in town[section]
            }
            assert set(RuleBook.of(town).rules) == told


def test_the_example_of_the_docs_comes_out_right(told: Callable[..., list[str]]) -> None:
    [example] = re.findall(
        r"```yaml\n(towns:.*?)```", (ROOT / "docs" / "rules.md").read_text("utf-8"), re.DOTALL
    )
    assert told(example) == [
        "exemple : 1 règle dicible sur 1 ; cas : 4 justes, 0 faux",
        "En tout : 1 règle dicible sur 1 (100 %) ; cas : 4 justes, 0 faux",
        "4 passed, 0 failed",
    ]


# A file of one town --------------------------------------------------------------------------------------

FILE = """
établissements:
  - {code: resto, nom: Restaurant, type: restaurant}
activités:
  - code: cantine
    nom: Cantine
    service: catering
    établissements: [resto]
    formules: [{code: repas, nom: Repas, moments: [midi], repas_compris: oui}]
    périodes: [{code: annee, nom: Année, année: 2026-2027, du: 2026-09-01, au: 2027-07-02}]
    places: [{établissement: resto, moment: midi, places: 2}]
tarifs:
  - code: repas-2026
    nom: Repas
    principe: unique
    tranches: [{prix: 3}]
    formules: [{formule: cantine/repas}]
"""


def answer(
    case: dict, *, section: str = "worked_invoices", text: object = FILE, **town: object
) -> str | None:
    """Why the town's only case fails, or None; undone afterwards."""
    [one] = replay.cases({"towns": [{"id": "essai", "town_file": text, section: [case]} | town]})
    with transaction.atomic():
        reason = one.run()
        transaction.set_rollback(True)
    return reason


def meals(*days: str) -> dict:
    return {"cantine": {"repas": list(days)}}


@pytest.mark.parametrize(
    "case",
    [
        {"children": [{"acts": meals("2026-11-02")}]},
        {"acts": meals("2026-11-02")},
        {"acts": {"cantine/repas": ["2026-11-02"]}},
        {"acts": {"repas": ["2026-11-02"]}},
        {"acts": {"cantine": ["2026-11-02"]}},
        {"acts": {"Cantine": {"Repas": 1}}},
        {"acts": {"cantine": {"repas": {"from": "2026-11-02", "to": "2026-11-02"}}}},
        {"children": 2, "acts": meals("2026-11-02")},
        {"expect": "refusé, ou 3,00 €", "acts": meals("2026-11-02")},
        {"children": {"aîné": {"acts": meals("2026-11-02")}}},
        # Of October, on October's invoice; of December, on none yet.
        {"acts": meals("2026-10-01", "2026-11-02", "2026-12-01")},
    ],
)
def test_a_case_says_its_days_in_several_ways(db: None, case: dict) -> None:
    assert answer({"month": "2026-11-01", "expect": "3.00"} | case) is None


def test_an_invoice_that_comes_to_something_else_says_its_lines(db: None) -> None:
    said = answer({"month": "2026-11", "expect": "4", "acts": meals("2026-11-02")})
    assert said == "attendu 4, obtenu 3.00 (Repas : 1 × 3.00)"


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"expect": "3"}, "month : La valeur manque."),
        ({"month": "novembre", "expect": "3"}, "month : « novembre » n'est pas une date"),
        ({"month": "2026-11-01"}, "expect : La valeur manque."),
        ({"month": "2026-11-01", "expect": "3", "children": ["Lina"]}, "children : Une liste d'enfants"),
        (
            {"month": "2026-11-01", "expect": "3", "acts": {"cantin": {}}},
            "children › 1 › acts › cantin : « cantin » n'est ni une activité ni une formule du fichier."
            " Vouliez-vous écrire « cantine » ?",
        ),
        (
            {"month": "2026-11-01", "expect": "3", "acts": {"cantine": {"repa": ["2026-11-02"]}}},
            "acts › cantine : « cantine » n'a pas de formule « repa ». Vouliez-vous écrire « repas » ?",
        ),
        (
            {"month": "2026-11-01", "expect": "3", "acts": meals("2026-13-40")},
            "acts : « 2026-13-40 » n'est pas une date",
        ),
        (
            {"month": "2026-11-01", "expect": "3", "acts": meals("2026-11-02"), "absent": ["2026-11-03"]},
            "absent : 2026-11-03 : absent un jour qui n'est pas réservé.",
        ),
        (
            {
                "month": "2026-11-01",
                "expect": "3",
                "acts": meals("2026-11-02"),
                "absent": {"2026-11-02": "bof"},
            },
            "absent › reason : « bof » n'est pas prévu",
        ),
        ({"month": "2026-11-01", "expect": "3", "qf": "beaucoup"}, "qf : « beaucoup » n'est pas un montant."),
        ({"month": "2026-11-01", "expect": "refusé", "acts": meals("2026-11-02")}, "attendu un refus"),
    ],
)
def test_a_case_that_cannot_be_read_says_where(db: None, case: dict, reason: str) -> None:
    assert reason in str(answer(case))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("établissements: [", "town_file : Ligne 1 : « [ » s'ouvre ici et ne se ferme pas"),
        (3, "town_file : Le texte d'un fichier de commune est attendu ici."),
        (FILE.replace("type: restaurant", "type: resto"), "« resto » n'est pas prévu ici."),
        (FILE.replace("prix: 3}", "prix: beaucoup}"), "« beaucoup »"),
        (FILE.replace("service: catering", "service: piscine"), "Le service « piscine » n'est pas installé."),
    ],
)
def test_a_file_that_does_not_load_says_its_line(db: None, text: object, reason: str) -> None:
    assert reason in str(answer({"month": "2026-11-01", "expect": "3"}, text=text))


def test_what_the_file_leaves_out_is_read_of_the_other_sections(db: None) -> None:
    rule = {"id": "r", "services": ["car"], "type": "days_before", "n": 2, "time": "10:00"}
    case = {"service": "car", "action": "reserve", "attempt": "2026-12-01T09:00", "target": "2026-12-03"}
    town = {"id": "essai", "town_file": FILE, "rules": [rule], "tariffs": [{"id": "car", "price": "1.50"}]}
    cases = {
        "worked_deadlines": [case | {"expect": "on_time"}, case | {"expect": "late"}],
        "worked_prices": [{"tariff": "car", "expect": "1.50"}, {"tariff": "repas", "expect": "3.00"}],
    }
    found = []
    for one in replay.cases({"towns": [town | cases]}):
        with transaction.atomic():
            found.append(one.run())
            transaction.set_rollback(True)
    assert found[0] is None
    assert "attendu late, obtenu on_time" in str(found[1])
    assert found[2:] == [None, None]


def test_a_file_may_stand_there_as_it_is_instead_of_as_a_text(db: None) -> None:
    written = {
        "établissements": [{"code": "resto", "nom": "Restaurant", "type": "restaurant"}],
        "activités": [
            {
                "code": "cantine",
                "nom": "Cantine",
                "service": "cantine",
                "établissements": ["resto"],
                "formules": [{"code": "repas", "nom": "Repas", "moments": ["midi"]}],
            }
        ],
        "tarifs": [
            {
                "code": "repas",
                "nom": "Repas",
                "principe": "unique",
                "tranches": [{"prix": 3}],
                "formules": [{"formule": "cantine/repas"}],
            }
        ],
    }
    case = {"month": "2026-11-01", "expect": "3", "acts": meals("2026-11-02")}
    assert answer(case, text=written) is None


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"taken": 1}, None),
        ({"expect": "attente", "taken": 2}, None),
        ({"expect": "refusé"}, "attendu refusé, obtenu accepted"),
        # The child has the day already: it cannot be taken twice.
        ({"expect": "refused", "already": meals("2026-11-16")}, None),
        ({"expect": "annulé ?"}, "expect : « annulé ? » n'est pas prévu"),
        ({"at": None}, "at : Le moment manque"),
        ({"taken": 9}, "taken : 9 places prises sur 2."),
        ({"expect": "refused", "says": "lune", "at": "2026-11-16T09:00"}, "attendu « lune » dans la phrase"),
        ({"action": "cancel"}, None),
        ({"night": "2026-11-10T23:00"}, None),
        ({"night": "cette nuit"}, "night : « cette nuit » n'est pas une date"),
        ({"expect": "3", "month": "2026-11-01"}, None),
    ],
)
def test_what_a_family_asks_for_is_tried(db: None, case: dict, reason: str | None) -> None:
    asked = {"expect": "accepted", "at": "2026-11-02T09:00", "acts": meals("2026-11-16")}
    found = answer(asked | case, section="worked_others")
    assert found is None if reason is None else reason in str(found)


def test_nothing_is_left_of_a_town(db: None) -> None:
    town = {"id": "essai", "town_file": FILE}
    with loaded_towns.held(town):
        assert Activity.objects.get().code == "cantine"
    assert not Activity.objects.exists()


# The command ---------------------------------------------------------------------------------------------


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None) -> Callable[..., list[str]]:
    """What the command says of files of these texts, line by line."""
    monkeypatch.setattr(replay_towns, "setup_databases", lambda **options: [])
    monkeypatch.setattr(replay_towns, "teardown_databases", lambda kept, **options: None)

    def said(*texts: str, wrong: bool = False, only: str = "") -> list[str]:
        files, out = [], StringIO()
        for place, text in enumerate(texts):
            files.append(tmp_path / f"{place}.yaml")
            files[-1].write_text(text, encoding="utf-8")
        try:
            call_command("replay_towns", *map(str, files), only=only, stdout=out)
        except SystemExit:
            assert wrong
        else:
            assert not wrong
        return out.getvalue().splitlines()

    return said


def town(name: str, more: str, text: str = FILE) -> str:
    lines = "\n".join(f"    {line}" for line in text.strip().splitlines())
    return f"towns:\n- id: {name}\n  town_file: |\n{lines}\n{more}"


RULES = """  town_rules:
  - {id: prix, text: « 3 € », expressible: yes}
  - {id: lune, text: « gratuit à la pleine lune », expressible: 'no'}
  - {id: oral, text: « à l'amiable », expressible: manual}
"""
NOVEMBER = "month: 2026-11-01, acts: {cantine: {repas: ['2026-11-02']}}"


def test_what_cannot_be_said_is_told_apart_from_what_is_wrong(told: Callable[..., list[str]]) -> None:
    cases = f"""  worked_invoices:
  - {{case: un repas, expect: '3', {NOVEMBER}, rule: prix}}
  - {{case: pleine lune, expect: '0', {NOVEMBER}, rule: lune}}
  worked_others:
  - {{case: on s'arrange, expect: ok, rule: oral}}
"""
    assert told(town("ici", RULES + cases)) == [
        "Pas encore dicible (lune) : ici · worked_invoices 2 : pleine lune : attendu 0, obtenu 3.00"
        " (Repas : 1 × 3.00)",
        "Pas encore dicible (oral) : ici · worked_others 1 : on s'arrange : rien à rejouer : écrivez « acts »"
        " et « at » (une réservation), « enrol » (une inscription) ou « month » (une facture)",
        "ici : 1 règle dicible sur 3 ; cas : 1 juste, 0 faux, 2 pas encore dicibles",
        "En tout : 1 règle dicible sur 3 (33 %) ; cas : 1 juste, 0 faux, 2 pas encore dicibles",
        "1 passed, 0 failed",
    ]


def test_a_rule_that_can_be_said_and_comes_out_otherwise_is_wrong(told: Callable[..., list[str]]) -> None:
    cases = f"  worked_invoices:\n  - {{case: un repas, expect: '4', {NOVEMBER}, rule: prix}}\n"
    lines = told(town("ici", RULES + cases), wrong=True)
    assert lines[0].startswith("FAILED ici · worked_invoices 1 : un repas: attendu 4, obtenu 3.00")
    assert lines[-1] == "0 passed, 1 failed"


def test_a_rule_that_was_not_sayable_and_now_comes_out_right_is_to_be_read_again(
    told: Callable[..., list[str]],
) -> None:
    cases = f"  worked_invoices:\n  - {{case: un repas, expect: '3', {NOVEMBER}, rule: lune}}\n"
    cases += f"  - {{case: un repas, expect: '3', {NOVEMBER}, rule: soleil}}\n"
    assert told(town("ici", RULES + cases))[:2] == [
        "À voir : ici · la règle « lune » est notée « no », mais ses cas sortent justes : à relire.",
        "À voir : ici · la règle « soleil », que nomme un cas, n'est pas dans town_rules.",
    ]


def test_several_files_are_one_count(told: Callable[..., list[str]]) -> None:
    cases = f"  worked_invoices:\n  - {{case: un repas, expect: '3', {NOVEMBER}}}\n"
    assert told(town("ici", cases), town("là", cases)) == ["2 passed, 0 failed"]


def test_what_cannot_be_loaded_is_passed_over_and_said(told: Callable[..., list[str]]) -> None:
    """The rest is tried."""
    text = (
        FILE.replace("service: catering", "service: catering\n    lune: pleine")
        + "marées:\n  - {heure: 10:00}\n"
    )
    cases = f"  worked_invoices:\n  - {{case: un repas, expect: '3', {NOVEMBER}}}\n"
    lines = told(town("ici", cases, text), wrong=True)
    assert lines[0].startswith(
        "FAILED ici: town_file : Ligne 7 (activités › cantine) : Le champ « lune » n'existe pas"
    )
    assert "La rubrique « marées » n'existe pas." in lines[0]
    assert lines[1:] == ["1 passed, 1 failed"]


def test_a_file_that_does_not_load_fails_its_cases_and_is_told_once(told: Callable[..., list[str]]) -> None:
    case = f"  - {{case: un repas, expect: '3', {NOVEMBER}}}\n"
    lines = told(town("ici", f"  worked_invoices:\n{case}{case}", "établissements: ["), wrong=True)
    assert lines[0].startswith(
        "FAILED ici · worked_invoices 1 : un repas: town_file : Ligne 1 : « [ » s'ouvre"
    )
    assert lines[1:] == [
        "FAILED ici · worked_invoices 2 : un repas: son fichier ne se charge pas (voir plus haut).",
        "0 passed, 2 failed",
    ]


def test_what_nobody_reads_is_said(told: Callable[..., list[str]]) -> None:
    more = f"""  town_rules:
  - {{id: prix, text: x, expressible: peut-être}}
  - bonjour
  worked_invoice: []
  worked_invoices:
  - {{case: un repas, expect: '3', {NOVEMBER}, minuts: 3}}
"""
    assert told(town("ici", more)) == [
        "À voir : ici · town_rules › prix › expressible : « peut-être » n'est pas prévu : yes, no, partial,"
        " manual.",
        "À voir : ici · town_rules › 2 : Des champs de la forme « nom: valeur » sont attendus ici.",
        "À voir : ici · « worked_invoice » n'est pas lu ici. Vouliez-vous écrire « worked_invoices » ?",
        "À voir : ici · worked_invoices › 1 : « minuts » n'est pas lu ici. Vouliez-vous écrire « minutes » ?",
        "ici : 0 règle dicible sur 2 ; cas : 1 juste, 0 faux",
        "En tout : 0 règle dicible sur 2 (0 %) ; cas : 1 juste, 0 faux",
        "1 passed, 0 failed",
    ]


def test_an_invoice_without_a_file_says_what_is_missing(told: Callable[..., list[str]]) -> None:
    lines = told(f"towns:\n- id: ici\n  worked_invoices:\n  - {{expect: '3', {NOVEMBER}}}\n", wrong=True)
    assert lines[0].endswith("town_file : Une facture se rejoue par le fichier de la commune : il manque.")


def test_a_kind_that_is_none_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="deadlines, prices, absences, invoices, others"):
        call_command("replay_towns", str(DATA / "rules.yaml"), only="lunes")


def test_a_word_of_a_rule_is_read_however_it_is_written() -> None:
    words = ["yes", True, "oui", "no", False, "partiel", "manual"]
    book = RuleBook.of({"town_rules": [{"id": str(n), "expressible": word} for n, word in enumerate(words)]})
    assert list(book.rules.values()) == [
        Sayable.YES,
        Sayable.YES,
        Sayable.YES,
        Sayable.NO,
        Sayable.NO,
        Sayable.PARTIAL,
        Sayable.MANUAL,
    ]
