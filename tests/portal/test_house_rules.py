"""One author for each rule, where a grep can tell: what a rule is written with stands in one file."""

import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest
from django.apps import apps
from django.conf import settings

from billing.invoices import numbering
from billing.rules import absences, pricing, quantities
from families import desk_links, forms, login_names, visibility, which_home
from families.custody import newcomers, openings
from families.models import Child, accounts, households
from families.signing_in import shared_names
from families.visibility import VisibleQuerySet
from portal import home
from portal.conformance import households as replayed
from portal.conformance import published_tariffs
from portal.database import kept
from portal.demo import factories
from portal.files import handing_over
from portal.french import amounts, dates, day_fields, moments, plurals
from portal.letters import connection
from portal.management.commands import demo
from portal.reservations.acts import trials
from portal.reservations.deadlines import cutoffs
from portal.reservations.models import bookings, queries
from portal.reservations.staff import giving
from portal.waiting import shared_file, shared_redis
from portal.web import headers, posted, redis_cache

ROOT = Path(settings.BASE_DIR)
APPS = ("portal", "families", "catering", "leisure", "billing")
SOURCES = {
    path: path.read_text()
    for app in APPS
    for path in sorted((ROOT / app).rglob("*.py"))
    if "migrations" not in path.parts
}
MONTHS = "|".join(dates.MONTHS)
WEEKDAYS = "|".join(dates.WEEKDAYS)

# What a rule is written with, and the modules that may write it.
RULES: dict[str, tuple[str, list[ModuleType]]] = {
    "names of months": (rf"(?<!\w)[\"'](?:{MONTHS})[\"']|\bMONTHS\b", [dates]),
    "names of weekdays": (rf"[\"'](?:{WEEKDAYS})[\"']", [dates]),
    "« 1er »": (r"[\"']1er[\"'] if ", [dates, pricing]),
    "amounts in euros": (r"\}\s?€", [amounts]),
    "hours": (r"\{NBSP\}h\b|\} h\b", [moments, absences]),
    "plurals": (r"[\"']s[\"'] if |\w < 2 else", [plurals]),
    "years that can be meant": (r"FIRST_YEAR|LAST_YEAR", [day_fields]),
    "inputs of days and moments": (r"forms\.Date(?:Time)?Input|[\"']type[\"']: [\"']date", [day_fields]),
    "months that are counted": (r"timedelta\(days=31\)\)\.replace|monthrange", [dates, cutoffs, quantities]),
    "months as they are typed": (r"fromisoformat\(f\"", [day_fields]),
    "posted numbers": (r"\.isdecimal\(", [posted, published_tariffs]),
    "headers of files": (r"Content-Disposition", [handing_over]),
    "what no browser keeps or guesses": (r"no-store|X-Content-Type-Options", [headers]),
    "CSV as it is written": (r"csv\.writer\(", [handing_over]),
    "households held": (
        r"Household\.objects[^=]{0,80}select_for_update|self\.select_for_update",
        [households],
    ),
    "what a login may see": (r"guardians__user\b", [visibility]),
    "the household that a request is for": (
        r"user\.guardian\b|Guardian\.objects[^=]{0,60}user=(?:request\.user|Given\(\"user)"
        r"|(?:Household|Guardian)\.objects\.visible_to\(request\.user\)\)?(?:\.first|$)",
        [which_home, home],
    ),
    "children, but those that live there today": (r"\.children\.(?:all|filter|order_by|exclude)\(", []),
    "custodies that begin": (
        r"Custody\.objects\.create",
        [factories, forms, newcomers, openings, replayed, trials],
    ),
    "clocks of what is kept": (
        r"time\.monotonic",
        [kept, demo, connection, redis_cache, shared_file, shared_redis],
    ),
    "whose address or identifiant it is": (r"\b(?:email|username)__\w", []),
    "the form it is compared in": (r"(?:email|username)_form\b", [accounts, login_names, shared_names]),
    "names that are looked for": (r"name__icontains", []),
    "the class attended": (r"Schooling\.objects\.filter\(\s*child=OuterRef", [queries]),
    "links to households": (r"families_household_change", [desk_links]),
    "roles given and taken": (r"\.groups\.(?:add|set|remove|clear)\(|user_set\.", [giving]),
    "numbers with zeros": (r":06d?\}", [households, bookings, numbering]),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_written_by_its_author_only(rule: str):
    pattern, authors = RULES[rule]
    found = {path.relative_to(ROOT) for path, text in SOURCES.items() if re.search(pattern, text)}
    assert found == {Path(str(author.__file__)).relative_to(ROOT) for author in authors}


def test_pages_agree_in_french():
    """`pluralize` makes « 0 jours » of none; `agreed` does not."""
    templates = (ROOT / "templates").rglob("*.*")
    assert not [path.name for path in templates if "pluralize" in path.read_text()]


def test_whatever_a_family_may_see_is_said_by_one_author():
    """But for children, who live in households rather than belong to one."""
    visible = [model for model in apps.get_models() if hasattr(model._default_manager, "visible_to")]
    assert Child in visible and len(visible) > 8
    others = [model for model in visible if not isinstance(model._default_manager.all(), VisibleQuerySet)]
    assert others == [Child]


def test_every_author_that_the_map_names_is_there():
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.partition("## One author for each rule")[2].partition("\n## ")[0]
    named = re.findall(r"`((?:portal|families|billing)\.[\w.]+)`", table)
    assert len(named) > 20
    for name in named:
        assert pkgutil.resolve_name(name) is not None


def test_tests_stand_at_the_paths_of_the_code():
    """A folder of tests is a folder of the code; what has none (a walk, a race) stands in its nearest one."""
    folders = [path for app in APPS for path in (ROOT / "tests" / app).rglob("*") if path.is_dir()]
    found = [path.relative_to(ROOT / "tests") for path in folders if path.name != "__pycache__"]
    assert len(found) > 20
    assert [folder for folder in found if not (ROOT / folder).is_dir()] == []


def test_every_folder_of_code_stands_under_a_contract():
    """Those of portal/, the engine, families/ and billing/ are named by `lint-imports`; the other apps are
    flat, and an app beside them is one that the layers name."""
    apps_of_ours = {path.parent.name for path in ROOT.glob("*/apps.py")}
    assert apps_of_ours == set(APPS)
    for app in ("catering", "leisure"):
        folders = {path.parent.name for path in (ROOT / app).glob("*/__init__.py")}
        assert folders <= {"migrations", "templatetags", "management"}
