"""What real towns publish, decided by rows an agent could have filled in."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from portal.conformance import published_towns
from portal.conformance.published_towns import Case
from portal.conformance.replay import cases, remarks
from portal.conformance.values import Unreadable, read_moment, read_time, read_weekday
from portal.management.commands import replay_towns
from portal.reservations.models import DeadlineRule
from tests import DATA
from tests.factories import paris

pytestmark = pytest.mark.once


TOWNS = DATA / "towns.yaml"


@pytest.mark.parametrize("case", list(cases(published_towns.read(TOWNS), "deadlines")), ids=str)
def test_a_town_is_decided_as_it_says(db: None, case: Case) -> None:
    assert case.run() is None


def answer(town: dict) -> str | None:
    """Why the town's only case fails, or None."""
    [case] = cases({"towns": [town]})
    return case.run()


def replayed(rule: dict, attempt: str, target: str, expect: str, **case: object) -> str | None:
    town = {"id": "essai", "name": "Essai", "rules": [{"id": "r", "services": ["repas"]} | rule]}
    worked = {"service": "repas", "action": "reserve", "attempt": attempt, "target": target, "expect": expect}
    return answer(town | {"worked_deadlines": [worked | case]})


@pytest.mark.parametrize(
    ("rule", "attempt", "target", "expect"),
    [
        # Easter Monday is 29 March 2027; Christmas holidays from 19 December 2026 to 3 January 2027.
        (
            {"type": "days_before", "n": 2, "time": "10:00", "skip": ["weekend", "holiday"]},
            "2027-03-25T09:00",
            "2027-03-30",
            "on_time",
        ),
        (
            {"type": "days_before", "n": 2, "time": "10:00", "skip": ["weekend", "holiday"]},
            "2027-03-26T09:00",
            "2027-03-30",
            "late",
        ),
        (
            {"type": "days_before", "n": 1, "time": "10:00", "skip": ["wed"]},
            "2026-12-01T09:00",
            "2026-12-03",
            "on_time",
        ),
        (
            {"type": "days_before", "n": 1, "time": "10:00", "skip": ["wed"]},
            "2026-12-02T09:00",
            "2026-12-03",
            "late",
        ),
        ({"type": "days_before", "n": 2}, "2026-12-01T23:30", "2026-12-03", "on_time"),
        (
            {"type": "days_before", "n": 2, "unit": "working", "time": 600},
            "2026-11-26T10:00",
            "2026-11-30",
            "on_time",
        ),
        (
            {"type": "days_before", "n": 1, "time": "12:00", "skip": ["school_holidays"]},
            "2026-12-18T11:00",
            "2027-01-04",
            "on_time",
        ),
        (
            {"type": "days_before", "n": 1, "time": "12:00", "skip": ["school_holidays"]},
            "2027-01-02T11:00",
            "2027-01-04",
            "late",
        ),
        (
            {"type": "days_before", "n": 2, "time": "12:00", "explicit_table": {"mon": "wed"}},
            "2026-11-26T11:00",
            "2026-11-30",
            "late",
        ),
        (
            {"type": "days_before", "n": 2, "time": "12:00", "inclusive": False},
            "2026-12-01T12:00",
            "2026-12-03",
            "late",
        ),
        (
            {"type": "prev_week", "day": "saturday", "time": "24:00"},
            "2026-11-28T23:59",
            "2026-12-03",
            "on_time",
        ),
        ({"type": "prev_week", "day": "dim", "weeks": 2}, "2026-11-22T20:00", "2026-12-03", "on_time"),
        ({"type": "prev_week", "day": "dim", "weeks": 2}, "2026-11-23T00:01", "2026-12-03", "late"),
        ({"type": "map", "map": {"thu": ["sun", None]}}, "2026-11-29T23:00", "2026-12-03", "on_time"),
        ({"type": "map", "map": {"thu": "sat"}}, "2026-11-29T00:30", "2026-12-03", "late"),
        ({"type": "map", "map": {"mon": ["thu", "15:00"]}}, "2026-11-01T10:00", "2026-12-03", "never"),
        ({"type": "prev_month_day", "day": 31}, "2027-02-28T20:00", "2027-03-15", "on_time"),
        ({"type": "prev_month_day", "day": "last"}, "2027-03-01T00:01", "2027-03-15", "late"),
        ({"type": "prev_month_day", "day": 10, "months": 2}, "2026-10-11T10:00", "2026-12-03", "late"),
        (
            {"type": "hours_before", "n": 24, "reference": "08:00"},
            "2026-12-02T07:59",
            "2026-12-03",
            "on_time",
        ),
        ({"type": "clear_days_before_period", "n": 15}, "2026-12-03T18:00", "2026-12-28", "on_time"),
        ({"type": "clear_days_before_period", "n": 15}, "2026-12-04T08:00", "2026-12-28", "late"),
        ({"type": "days_before_period", "n": 15}, "2026-12-04T08:00", "2026-12-28", "on_time"),
        (
            {
                "type": "window",
                "windows": [
                    {
                        "covers_from": "2026-12-21",
                        "covers_to": "2026-12-31",
                        "opens": "2026-11-02",
                        "closes": "2026-12-04",
                    }
                ],
            },
            "2026-12-04T22:00",
            "2026-12-28",
            "on_time",
        ),
        (
            {
                "type": "window",
                "windows": [
                    {
                        "covers_from": "2026-12-21",
                        "covers_to": "2026-12-31",
                        "opens": "2026-11-02T08:00",
                        "closes": None,
                    }
                ],
            },
            "2026-11-02T07:00",
            "2026-12-28",
            "too_early",
        ),
        ({"type": "never"}, "2026-11-02T07:00", "2026-12-28", "never"),
        (
            {"type": "same_day", "time": "9h15", "surprise": {"a": 1}},
            "2026-12-03T09:15",
            "2026-12-03",
            "on_time",
        ),
    ],
)
def test_what_other_towns_may_write(db: None, rule: dict, attempt: str, target: str, expect: str) -> None:
    assert replayed(rule, attempt, target, expect) is None


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"type": "phase_of_the_moon"}, "rules › r › type : « phase_of_the_moon » n'est pas prévu"),
        ({"type": "days_before"}, "rules › r : Le champ « n » manque."),
        ({"type": "days_before", "n": "deux"}, "rules › r › n : « deux » n'est pas un nombre entier."),
        ({"type": "days_before", "n": 2.5}, "rules › r › n : « 2.5 » n'est pas un nombre entier."),
        ({"type": "days_before", "n": 999}, "rules › r : C'est plus d'un an avant : 366 au plus."),
        ({"type": "days_before", "n": 2, "time": "noon-ish"}, "rules › r › time : « noon-ish » n'est pas"),
        ({"type": "days_before", "n": 2, "skip": ["someday"]}, "rules › r › skip : « someday » n'est pas"),
        ({"type": "prev_week"}, "rules › r › day : La valeur manque."),
        ({"type": "map", "map": {}}, "rules › r : Remplissez au moins une ligne du tableau."),
        ({"type": "map", "map": ["mon"]}, "rules › r › map : Un tableau est attendu ici"),
        ({"type": "window", "windows": {"opens": None}}, "rules › r › windows : Une liste de fenêtres"),
        (
            {"type": "window", "windows": [{"covers_from": "2026-12-09", "covers_to": "2026-12-01"}]},
            "rules › r : La fenêtre doit finir après son premier jour.",
        ),
        ({"type": "never", "audience": "loin"}, "audience : « loin » n'est pas prévu"),
        ({"services": ["garderie"], "type": "never"}, "rules : aucune règle pour le service « repas »"),
        ({"type": "never"}, "attendu on_time, obtenu never"),
    ],
)
def test_what_cannot_be_read_fails_with_its_reason(db: None, rule: dict, reason: str) -> None:
    assert reason in replayed(rule, "2026-12-01T10:00", "2026-12-03", "on_time")


def test_residents_and_others_follow_their_own_rule(db: None) -> None:
    window = {"covers_from": "2026-12-21", "covers_to": "2026-12-31", "closes": None}
    rules = [
        {
            "id": who,
            "services": ["alsh"],
            "audience": who,
            "type": "window",
            "windows": [window | {"opens": opens}],
        }
        for who, opens in (("resident", "2026-11-02T08:00"), ("non_resident", "2026-11-09T08:00"))
    ]
    case = {"service": "alsh", "action": "reserve", "attempt": "2026-11-03T10:00", "target": "2026-12-22"}
    town = {"id": "essai", "name": "Essai", "rules": rules}
    assert answer(town | {"worked_deadlines": [case | {"expect": "on_time", "resident": True}]}) is None


def test_others_open_later(db: None) -> None:
    window = {"covers_from": "2026-12-21", "covers_to": "2026-12-31", "opens": "2026-11-09T08:00"}
    rule = {"type": "window", "windows": [window], "audience": "non_resident"}
    assert replayed(rule, "2026-11-03T10:00", "2026-12-22", "too_early", resident=False) is None


@pytest.mark.parametrize("told", [{"resident": False}, {"non_resident": True}, {"audience": "non_resident"}])
def test_a_case_says_in_several_ways_that_it_is_not_of_the_town(db: None, told: dict) -> None:
    windows = {
        who: {"covers_from": "2026-12-21", "covers_to": "2026-12-31", "opens": opens}
        for who, opens in (("resident", "2026-11-02T08:00"), ("non_resident", "2026-11-09T08:00"))
    }
    rules = [
        {"id": who, "services": ["alsh"], "audience": who, "type": "window", "windows": [window]}
        for who, window in windows.items()
    ]
    town = {"id": "essai", "name": "Essai", "rules": rules}
    case = {"service": "alsh", "action": "reserve", "attempt": "2026-11-03T10:00", "target": "2026-12-22"}
    assert answer(town | {"worked_deadlines": [case | told | {"expect": "too_early"}]}) is None


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("09:00", (9, 0)),
        (540, (9, 0)),
        ("9h", (9, 0)),
        ("12h30", (12, 30)),
        ("24:00", (23, 59)),
        ("12:00:00", (12, 0)),
    ],
)
def test_hours_are_read_however_they_are_written(typed: object, read: tuple[int, int]) -> None:
    at = read_time(typed)
    assert (at.hour, at.minute) == read


def test_days_and_moments_are_read_however_they_are_written() -> None:
    assert [read_weekday(word) for word in ("mon", "Wednesday", "samedi", "dim")] == [0, 2, 5, 6]
    assert read_moment("2026-12-04", last_minute=True) == paris(2026, 12, 4, 23, 59)
    assert read_moment("2026-12-04T24:00") == paris(2026, 12, 5, 0)
    with pytest.raises(Unreadable):
        read_moment("demain")


@pytest.fixture
def replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """What the command says of a file of this text, line by line, and that it ends with an error."""
    monkeypatch.setattr(replay_towns, "setup_databases", lambda **options: [])
    monkeypatch.setattr(replay_towns, "teardown_databases", lambda kept, **options: None)

    def said(text: str) -> list[str]:
        file, out = tmp_path / "towns.yaml", StringIO()
        file.write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit, match="1"):
            call_command("replay_towns", str(file), stdout=out)
        return out.getvalue().splitlines()

    return said


@pytest.mark.django_db(transaction=True)
def test_the_command_counts_and_leaves_nothing_behind(replay: Callable[[str], list[str]]) -> None:
    lines = replay(
        """
towns:
- id: ici
  name: Ici
  rules:
  - {id: a, services: [repas], actions: [reserve], type: days_before, n: 1, time: 09:00}
  worked_deadlines:
  - {service: repas, action: reserve, attempt: 2026-12-02T08:00, target: 2026-12-03, expect: on_time}
  - {service: repas, action: reserve, attempt: 2026-12-02T10:00, target: 2026-12-03, expect: on_time}
  - {service: gouter, action: reserve, attempt: 2026-12-02T10:00, target: 2026-12-03, expect: late}
  - {service: repas, action: reserve, attempt: jamais, target: 2026-12-03, expect: late}
"""
    )
    assert lines[-1] == "1 passed, 3 failed"
    assert all(line.startswith("FAILED ici · worked_deadlines ") for line in lines[:-1])
    assert not DeadlineRule.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_bad_row_leaves_the_others_and_every_mistake_is_said(replay: Callable[[str], list[str]]) -> None:
    assert replay(
        """
towns:
- id: ici
  rules:
  - bonjour
  - {id: a, services: [repas], actions: [reserve], type: days_before, n: 1, tims: 09:00}
  - {id: b, services: 7, type: never, time: tôt}
  worked_deadlines:
  - {service: repas, action: reserve, attempt: 2026-12-02T08:00, target: 2026-12-03, expect: on_time}
  - bonsoir
  worked_price: []
- {id: ici, rules: {a: b}}
- là
"""
    ) == [
        "FAILED ici · worked_deadlines 2: Des champs de la forme « nom: valeur » sont attendus ici.",
        "FAILED towns 3 · commune: Des champs de la forme « nom: valeur » sont attendus ici.",
        "À voir : ici · rules › 1 : Des champs de la forme « nom: valeur » sont attendus ici.",
        "À voir : ici · rules › b › time : « tôt » n'est pas une heure, par exemple 09:00.",
        "À voir : ici · « worked_price » n'est pas lu ici. Vouliez-vous écrire « worked_prices » ?",
        "À voir : ici · rules › a : « tims » n'est pas lu ici. Vouliez-vous écrire « time » ?",
        "À voir : ici · Une autre commune porte le même nom.",
        "À voir : ici · rules : Une liste de lignes qui commencent par « - » est attendue ici.",
        "1 passed, 2 failed",
    ]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"", "Une rubrique « towns: » est attendue"),
        (b"bonjour", "Une rubrique « towns: » est attendue"),
        (b"- a", "Une rubrique « towns: » est attendue"),
        (b"towns: []", "Une rubrique « towns: » est attendue"),
        (b"towns: {a: {id: a}}", "Une rubrique « towns: » est attendue"),
        (b"towns: [", "Ce n'est pas du YAML lisible à la ligne 1"),
        (b"towns:\n- {id: a}\ntowns: []", "Ce n'est pas du YAML lisible à la ligne 3"),
        (b"towns: " + b"[" * 2000 + b"]" * 2000, "Ce n'est pas du YAML lisible"),
        ("towns: [{id: été}]".encode("latin-1"), "Ce n'est pas un texte en UTF-8."),
    ],
)
def test_a_file_that_is_none_of_towns_is_told_so(tmp_path: Path, written: bytes, reason: str) -> None:
    file = tmp_path / "towns.yaml"
    file.write_bytes(written)
    with pytest.raises(CommandError, match="towns") as refusal:
        call_command("replay_towns", str(file))
    assert reason in str(refusal.value)


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="ne peut pas être lu"):
        call_command("replay_towns", str(tmp_path / "towns.yaml"))


def test_the_known_towns_leave_nothing_unread(db: None) -> None:
    known = published_towns.read(TOWNS)
    for case in cases(known):
        with transaction.atomic():
            case.run()
            transaction.set_rollback(True)
    assert list(remarks(known)) == []
