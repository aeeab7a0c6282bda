"""Templates have directions too: a folder of templates loads, includes and extends only what stands at or
below its own floor, and Python names only templates of its own floor or below."""

import re
from pathlib import Path

import pytest

from tests import ROOT

TEMPLATES = ROOT / "templates"
# From the ground up; a service stands beside the other, and sees nothing of it.
FLOORS = {
    "ground": 0,
    "families": 1,
    "reservations": 2,
    "billing": 3,
    "catering": 4,
    "leisure": 4,
    "portal": 5,
}
# Which app a folder of templates belongs to; what is not named here is ground: components/, letters' base…
OWNERS = ("families", "reservations", "billing", "catering", "leisure", "portal")
# Where an app's tag libraries and modules stand.
PACKAGES = {
    "families": "families",
    "catering": "catering",
    "leisure": "leisure",
    "billing": "billing",
    "portal/reservations": "reservations",
    "portal/demo": "portal",
}
LOAD = re.compile(r"{%\s*load\s+([\w\s]+?)(?:\s+from\s+(\w+))?\s*%}")
NAMED = re.compile(r"""{%\s*(?:include|extends)\s+["']([^"']+)["']""")
IN_PYTHON = re.compile(r"""["']((?:[a-z_]+/)+[a-z_]+\.(?:html|txt|css))["']""")


def owner(name: str) -> str:
    """The app of a template named as Django names it: « emails/billing/invoice.html » is billing's."""
    parts = [part for part in name.split("/")[:-1] if part not in ("admin", "emails")]
    if parts and parts[0] in ("account", "mfa", "usersessions"):  # allauth's pages, which families fits
        return "families"
    return parts[0] if parts and parts[0] in OWNERS else "ground"


def tag_libraries() -> dict[str, str]:
    """Our own libraries of tags, each with the app it stands in."""
    found = {}
    for library in ROOT.glob("**/templatetags/*.py"):
        folder = library.parent.parent.relative_to(ROOT).as_posix()
        if library.stem != "__init__" and not folder.startswith(("tests", "var", ".venv")):
            found[library.stem] = "ground" if folder == "portal" else PACKAGES[folder]
    return found


def may_see(app: str, other: str) -> bool:
    return app == other or FLOORS[other] < FLOORS[app]


def templates() -> list[Path]:
    return sorted(path for path in TEMPLATES.rglob("*") if path.suffix in (".html", ".txt"))


@pytest.mark.parametrize("template", templates(), ids=lambda path: path.relative_to(TEMPLATES).as_posix())
def test_a_template_leans_on_nothing_above_it(template: Path) -> None:
    name, text, libraries = template.relative_to(TEMPLATES).as_posix(), template.read_text(), tag_libraries()
    loaded = [
        word for words, source in LOAD.findall(text) for word in ([source] if source else words.split())
    ]
    above = [
        f"loads {tags}" for tags in loaded if tags in libraries and not may_see(owner(name), libraries[tags])
    ]
    above += [f"names {other}" for other in NAMED.findall(text) if not may_see(owner(name), owner(other))]
    assert above == []


def test_modules_name_no_template_above_them() -> None:
    above = []
    for folder in ("portal", *OWNERS[:1], "catering", "leisure", "billing"):
        for module in (ROOT / folder).rglob("*.py"):
            path = module.relative_to(ROOT).as_posix()
            app = next((app for package, app in PACKAGES.items() if path.startswith(f"{package}/")), "ground")
            # The shell is one folder with its ground rooms: its own pages are the ones it names.
            app = "portal" if app == "ground" and module.parent == ROOT / "portal" else app
            names = IN_PYTHON.findall(module.read_text())
            above += [f"{path}: {name}" for name in names if not may_see(app, owner(name))]
    assert above == []


def test_the_libraries_are_found() -> None:
    assert {"families", "reservations", "billing", "catering", "leisure"} <= set(tag_libraries())
