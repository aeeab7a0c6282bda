"""docs/security.md answers every number of ASVS 5.0.0 up to level 2, and names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
# How far the numbers of levels 1 and 2 go in each section; sections of level 3 alone are left out.
SECTIONS = {
    1: {1: 2, 2: 9, 3: 11, 4: 3, 5: 2},
    2: {1: 3, 2: 3, 3: 4, 4: 1},
    3: {2: 2, 3: 4, 4: 6, 5: 5, 7: 2},
    4: {1: 3, 2: 1, 3: 2, 4: 4},
    5: {1: 1, 2: 3, 3: 2, 4: 3},
    6: {1: 3, 2: 12, 3: 4, 4: 4, 5: 5, 6: 3, 8: 4},
    7: {1: 3, 2: 4, 3: 2, 4: 5, 5: 2, 6: 2},
    8: {1: 2, 2: 3, 3: 1, 4: 1},
    9: {1: 3, 2: 4},
    11: {1: 2, 2: 3, 3: 3, 4: 4, 5: 1, 6: 1},
    12: {1: 3, 2: 2, 3: 4},
    13: {1: 1, 2: 5, 3: 2, 4: 5},
    14: {1: 2, 2: 4, 3: 3},
    15: {1: 3, 2: 3, 3: 7},
    16: {1: 1, 2: 5, 3: 4, 4: 3, 5: 3},
}
NUMBER = r"\d+\.\d+\.\d+"
ROW = re.compile(rf"^\| ({NUMBER}(?:[–, ]+{NUMBER})*) \| (.+) \| (.+) \|$", re.MULTILINE)


def numbers(cell: str) -> set[str]:
    """« 1.2.1–1.2.3, 1.2.9 » → the four of them."""
    found: set[str] = set()
    for part in cell.split(", "):
        first, _, last = part.partition("–")
        section, low = first.rsplit(".", 1)
        high = (last or first).rsplit(".", 1)[1]
        found |= {f"{section}.{one}" for one in range(int(low), int(high) + 1)}
    return found


def test_every_number_up_to_level_2_has_its_row_once():
    wanted = {
        f"{chapter}.{section}.{one}"
        for chapter, sections in SECTIONS.items()
        for section, last in sections.items()
        for one in range(1, last + 1)
    }
    answered = [number for cell, _, _ in ROW.findall(PAGE) for number in numbers(cell)]
    assert sorted(wanted - set(answered)) == []
    assert sorted(set(answered) - wanted) == []
    assert len(answered) == len(set(answered)), "one row says it all"


def test_the_chapters_that_do_not_apply_say_so():
    for chapter in ("V10 OAuth and OIDC", "V17 WebRTC"):
        said = PAGE.partition(f"### {chapter}\n\n")[2].splitlines()[0]
        assert said.startswith("Does not apply (")


def test_every_row_names_its_test_or_says_who_holds_it():
    for cell, how, test in ROW.findall(PAGE):
        assert test == "–" or "`tests/" in test or "(à relier)" in test, cell
        assert len(how) > 5


def test_every_test_that_the_page_names_is_there():
    named = set(re.findall(r"`(tests/[\w/.]+)`", PAGE))
    assert len(named) > 40
    assert sorted(path for path in named if not (ROOT / path).is_file()) == []


def test_every_file_and_command_that_the_page_names_is_there():
    commands = set(re.findall(r"`make ([\w-]+)`", PAGE))
    assert commands >= {"audit", "demo"}
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert commands <= targets
