"""What the type checker is asked to overlook: little, and each time with its reason."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MYPY = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
MOST_IGNORED = 40
MOST_OVERRIDES = 10
REASONED = re.compile(r"# type: ignore\[[a-z, -]+\]  # \S")


def overlooked() -> Iterator[str]:
    """The lines of the code that the checker skips."""
    for package in MYPY["files"]:
        for path in sorted((ROOT / package).rglob("*.py")):
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                if "# type: ignore" in line:
                    yield f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_every_package_is_checked_strictly():
    assert MYPY["strict"]
    packages = {path.parent.name for path in ROOT.glob("*/apps.py")}
    assert set(MYPY["files"]) == packages


def test_what_is_overlooked_says_which_error_and_why():
    found = list(overlooked())
    assert [line for line in found if not REASONED.search(line)] == []
    assert len(found) < MOST_IGNORED


def test_only_libraries_are_excused_and_only_for_having_no_types():
    overrides = MYPY["overrides"]
    assert len(overrides) < MOST_OVERRIDES
    assert {key for one in overrides for key in one} == {"module", "ignore_missing_imports"}
    excused = {name.removesuffix(".*") for one in overrides for name in one["module"]}
    assert excused.isdisjoint(MYPY["files"])
