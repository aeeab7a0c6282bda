"""What a release says of its parts: all of them are named, and nothing is said to be well unheard."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once


ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", re.MULTILINE)
PINNED = dict(PIN.findall((ROOT / "requirements.txt").read_text()))
BEFORE_SBOM = {"0.1.0", "0.2.0"}


def named(path: Path) -> dict[str, str]:
    return {one["name"]: one["version"] for one in json.loads(path.read_text())["components"]}


def write(path: Path) -> Path:
    subprocess.run([sys.executable, ".ci/sbom", str(path)], cwd=ROOT, check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("sbom") / "portail.cdx.json")


def test_it_names_every_package_that_is_pinned(sbom: Path):
    assert len(PINNED) > 60
    assert named(sbom) == PINNED
    said = json.loads(sbom.read_text())
    assert said["bomFormat"] == "CycloneDX"
    assert said["metadata"]["component"]["name"] == "portail-famille"


def test_it_holds_no_address_of_an_index(sbom: Path):
    assert set(re.findall(r"https?://[^/\"]+", sbom.read_text())) == {"http://cyclonedx.org"}


def test_the_same_pins_give_the_same_file(sbom: Path, tmp_path: Path):
    assert write(tmp_path / "again").read_text() == sbom.read_text()


def test_every_release_has_its_own():
    released = {path.name.rsplit(".", 1)[0] for path in (ROOT / "tests" / "data" / "releases").iterdir()}
    versions = {found[0] for name in released if (found := re.match(r"\d+\.\d+\.\d+", name))}
    assert versions >= {"0.2.0"}
    for version in versions - BEFORE_SBOM:
        assert len(named(ROOT / "sbom" / f"portail-famille-{version}.cdx.json")) > 60


# Known vulnerabilities ---------------------------------------------------------------------------------

WELL = {"name": "django", "version": "5.2.19", "vulns": []}
ILL = {"name": "lxml", "version": "6.1.3", "vulns": [{"id": "CVE-1", "fix_versions": ["6.1.4"]}]}
UNHEARD = {"name": "zeep", "skip_reason": "not found"}


def audited(tmp_path: Path, said: str) -> subprocess.CompletedProcess[str]:
    """`make audit` where pip-audit writes that."""
    tool = tmp_path / "tool.py"
    tool.write_text(f"import sys\nopen(sys.argv[sys.argv.index('-o') + 1], 'w').write({said!r})")
    command = [sys.executable, ".ci/audit", sys.executable, str(tool)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([WELL], 0, "no known vulnerability"),
        ([WELL, ILL], 1, "lxml 6.1.3: CVE-1 (fixed in 6.1.4)"),
        ([ILL, UNHEARD], 1, "lxml 6.1.3: CVE-1"),
        ([WELL, UNHEARD], 2, "Not answered for 1 of 2 packages"),
        ([], 2, "Not answered"),
    ],
)
def test_nothing_is_said_to_be_well_unheard(tmp_path: Path, packages: list[object], code: int, words: str):
    done = audited(tmp_path, json.dumps({"dependencies": packages}))
    assert done.returncode == code
    assert words in done.stdout


def test_an_index_that_does_not_answer_is_told(tmp_path: Path):
    done = audited(tmp_path, "")
    assert done.returncode == 2
    assert "Not answered" in done.stdout
