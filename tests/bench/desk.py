"""The desk in a town of 10 000 households with more than a million bookings: every list and queue, the
pages that are no list, a household's, the kitchen's week: queries of each, and their plans on PostgreSQL.

    python -m tests.bench.desk            on DATABASE_URL's PostgreSQL, in a database of its own beside it
    python -m tests.bench.desk --small    300 households; also on SQLite, where no plan is read
    python -m tests.bench.desk --keep     the filled town stays, and serves the next time

On PostgreSQL the demo town of SEED households is lived for a year, then its families are copied by the
database itself, twenty times over; elsewhere only a small town is filled. Filling takes minutes, looking
some. Plans are asked for, not carried out (EXPLAIN): what reads all rows of a table of GREAT one after the
other, or sorts more than the database keeps in memory, is named with its page and its query. Ends with 1
where something is not as promised.
"""

import argparse
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

from tests.portal.desk.costs import MORE, QUERIES, too_dear

TOWN, SMALL = 10_000, 300
# So many households live in the demo's own way; the others of TOWN are their doubles.
SEED = 500
# The demo books for as many days to come; so many before today make 1.3 million bookings of TOWN.
PAST, SHORT_PAST = timedelta(days=330), timedelta(days=30)
# What a household's double has of its own, in the order of what points at what. Money and papers are the
# seed's alone.
DOUBLED = (
    "families.User",
    "families.Household",
    "families.Guardian",
    "families.Child",
    "families.Custody",
    "families.ChildHealth",
    "families.DietChoice",
    "families.HomeDiet",
    "families.FamilyQuotient",
    "families.AuthorisedPerson",
    "families.Thread",
    "families.ThreadMessage",
    "reservations.Schooling",
    "reservations.Enrolment",
    "reservations.Reservation",
    "reservations.ReservationLine",
    "reservations.Booking",
    "reservations.Place",
    "reservations.BookingEvent",
    "reservations.Attendance",
)
GREAT = {
    "reservations_booking",
    "reservations_reservationline",
    "reservations_place",
    "reservations_bookingevent",
    "reservations_attendance",
}
# What stands once in the town.
NUMBERED = {"username", "username_form", "email", "email_form"}
HOME_QUERIES, HOUSEHOLD_QUERIES, KITCHEN_QUERIES = 20, 20, 15
HOUSEHOLD_OVER_BARE, LIST_OVER_BARE, KITCHEN_OVER_BARE = 2, 30, 15
ROWS = 60
RUNS = 7
# Below so much of what reading the whole table costs, a Limit stops soon.
SOON = 0.2


@dataclass
class Looked:
    """What asking for an address came to."""

    who: str
    url: str
    queries: int = 0
    seconds: float = 0
    faults: list[str] = field(default_factory=list)


# The town ---------------------------------------------------------------------------------------------------


def _place(small: bool, scratch: str) -> str:
    """The address of the bench's own database, made where it is not there yet."""
    import psycopg
    from psycopg import sql

    before = os.environ.get("DATABASE_URL", "")
    if not before.startswith("postgres"):
        return f"sqlite:///{scratch}/desk.sqlite3"
    base, _, rest = before.partition("?")
    server, _, name = base.rpartition("/")
    own = f"{name}_desk_{'small' if small else 'bench'}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as there:
        if not there.execute("SELECT 1 FROM pg_database WHERE datname = %s", [own]).fetchone():
            there.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(own)))
    return f"{server}/{own}{f'?{rest}' if rest else ''}"


def _forget(address: str) -> None:
    import psycopg
    from psycopg import sql

    if address.startswith("postgres"):
        server, _, name = address.partition("?")[0].rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as there:
            there.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _fill(households: int, past: timedelta) -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from families.models import Household
    from portal.demo import loading

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    if Household.objects.exists():
        return
    doubles = households // SEED - 1 if connection.vendor == "postgresql" else 0
    if doubles > 0:
        loading.BIG_TOWN = 0  # nobody's money is lived: a year of it would take longer than all the rest
    loading.load(households // (doubles + 1), at=timezone.now(), past=past)
    if doubles > 0:
        _double(doubles)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            _call_registers(cursor)
            cursor.execute("VACUUM ANALYZE")


def _call_registers(cursor: Any) -> None:
    """Every child that was expected up to today came: what a year of a town's places enters."""
    cursor.execute(
        "INSERT INTO reservations_attendance"
        " (booking_id, household_id, child_id, formula_id, establishment_id, day, state, reason, entered_at)"
        " SELECT id, household_id, child_id, formula_id, establishment_id, day, 'present', '', now()"
        " FROM reservations_booking WHERE state = 'accepted' AND day < current_date ON CONFLICT DO NOTHING"
    )


def _double(times: int) -> None:
    """As many more towns of the same families, row by row in the database: keys are moved by a step that is
    beyond all of them, names that stand once are numbered. Places are as many times as many."""
    from django.apps import apps
    from django.core.management.color import no_style
    from django.db import connection, models, transaction

    doubled = [apps.get_model(label) for label in DOUBLED]
    user = doubled[0]
    last = max(model._base_manager.aggregate(last=models.Max("pk"))["last"] or 0 for model in doubled)
    step = 10 ** len(str(last))
    with transaction.atomic(), connection.cursor() as cursor:
        # Each row points where its original does, among the doubles: nothing is to be looked up.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in doubled:
            columns, values = [], []
            for one in model._meta.concrete_fields:
                column = f'"{one.column}"'
                columns.append(column)
                target = one.related_model
                its_own = target in doubled and (target is not user or model.__name__ == "Guardian")
                if one.primary_key or its_own:
                    value = f"{column} + n * {step}"
                elif one.name == "birth_date":
                    value = f"{column} + n"  # nobody looks like the same family typed twice
                elif one.name in NUMBERED:
                    value = f"CASE {column} WHEN '' THEN '' ELSE n || '.' || {column} END"
                else:
                    value = column
                values.append(value)
            table = f'"{model._meta.db_table}"'
            which = "WHERE id IN (SELECT user_id FROM families_guardian)" if model is user else ""
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"
                f" FROM (SELECT * FROM {table} {which}) AS seed, generate_series(1, %s) AS n",
                [times],
            )
        cursor.execute(
            "UPDATE reservations_slot SET taken = taken * %s, capacity = capacity * %s, forced = forced * %s",
            [times + 1] * 3,
        )
        for statement in connection.ops.sequence_reset_sql(no_style(), doubled):
            cursor.execute(statement)


# Looking ----------------------------------------------------------------------------------------------------


def _addresses() -> Iterator[str]:
    """Every list, with what one does on it, and every page of the menu."""
    from django.contrib import admin
    from django.urls import reverse
    from django.utils import timezone

    from portal.desk.site import DeskAdmin

    today = timezone.localdate()
    for model, page in admin.site._registry.items():
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        yield url
        if page.search_fields:
            yield f"{url}?q=martin"
        if any(getattr(one, "parameter_name", "") == "etat" for one in page.list_filter):
            yield f"{url}?etat=tous"
            yield f"{url}?etat=tous&p=2"
        if name := page.date_hierarchy:
            month = f"{name}__year={today.year}&{name}__month={today.month}"
            yield f"{url}?{month}"
            yield f"{url}?{month}&{name}__day={today.day}"
        if isinstance(page, DeskAdmin):
            for link in page.desk_links:
                address = reverse(f"admin:{link.url_name}")
                if not link.url_name.endswith(("_changelist", "_add")) and "." not in address:
                    yield address


def _look(client: Any, who: str, url: str) -> Looked | None:
    """None where the page is not for who asks."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tests.bench import yardsticks

    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(url)
    if answer.status_code in (302, 403, 404):
        return None
    assert answer.status_code == 200, (url, answer.status_code)
    # Read now: the next request forgets what was asked before it.
    asked = [query["sql"] for query in captured.captured_queries]
    found = Looked(who, url, len(asked))
    found.seconds = min(yardsticks.timed(lambda: client.get(url)) for _ in range(3))
    if connection.vendor == "postgresql":
        for query in asked:
            if query.lstrip("( ").upper().startswith(("SELECT", "WITH")):
                found.faults += _faults(query)
    return found


def _faults(sql: str) -> list[str]:
    """What the plan of a query does that it must not."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}".replace("%", "%%"), [])
        (plans,) = cursor.fetchone()
        cursor.execute("SELECT pg_size_bytes(current_setting('work_mem'))")
        (memory,) = cursor.fetchone()
    found = list(_of_plan(plans[0]["Plan"], memory, limit=None))
    return [f"{fault} : {_short(sql)}" for fault in dict.fromkeys(found)]


def _of_plan(plan: dict[str, Any], memory: int, limit: float | None) -> Iterator[str]:
    """`limit`: the cost at which a Limit above stops, where nothing in between reads all first."""
    kind = plan["Node Type"]
    if kind.endswith("Seq Scan") and plan["Relation Name"] in GREAT:
        whole = limit is None or limit > SOON * plan["Total Cost"]
        if whole:
            yield f"Seq Scan on {plan['Relation Name']}"
    kept = plan.get("Plan Rows", 0) * plan.get("Plan Width", 0)
    if kind == "Sort" and limit is None and kept > memory:
        yield f"Sort of {kept / 1e6:.0f} MB"
    # A sort right under a limit keeps the first rows only, though it reads all.
    stops = plan["Total Cost"] if kind == "Limit" else limit
    if kind in ("Aggregate", "Hash", "HashAggregate", "WindowAgg", "Materialize", "Sort"):
        stops = None
    for one in plan.get("Plans", ()):
        if kind == "Limit" and one["Node Type"] in ("Sort", "Incremental Sort"):
            for below in one.get("Plans", ()):
                yield from _of_plan(below, memory, None)
        else:
            yield from _of_plan(one, memory, stops)


def _short(sql: str) -> str:
    """The tables and conditions of a query, without its columns."""
    text = re.sub(r"^SELECT .*? FROM ", "… FROM ", " ".join(sql.split()), count=1)
    return text if len(text) < 400 else f"{text[:250]} … {text[-150:]}"


def _holding(role: str) -> Any:
    """Somebody who holds a role in the whole town, logged in."""
    from django.contrib.auth.models import Group
    from django.test import Client

    from families.models import User
    from portal.reservations.staff import giving

    user, made = User.objects.get_or_create(username=f"mesures-{role.lower()}", defaults={"is_staff": True})
    if made:
        giving.give(user, Group.objects.get(name=role), by=None)
    client = Client()
    client.force_login(user)
    return client


def _measures(small: bool) -> list[dict[str, Any]]:
    from django.contrib.auth.models import Group
    from django.db import connection
    from django.test import Client, override_settings
    from django.urls import reverse

    from families import groups
    from families.models import Household, User
    from portal.reservations.models import Booking, Establishment
    from portal.reservations.staff import giving
    from tests.bench import floor, yardsticks
    from tests.bench.engine import get, measure, over

    chief, _ = User.objects.get_or_create(
        username="mesures", defaults={"is_staff": True, "is_superuser": True}
    )
    head, made = User.objects.get_or_create(username="mesures-lieu", defaults={"is_staff": True})
    if made:
        restaurant = Establishment.objects.filter(kind="restaurant").order_by("pk").first()
        places = [*Establishment.objects.filter(kind="school").order_by("pk")[:1], restaurant]
        giving.give(head, Group.objects.get(name=groups.DIRECTOR), places=places, by=None)
    clients = {}
    for user in (chief, head):
        clients[user.username] = Client()
        clients[user.username].force_login(user)
    client = clients["mesures"]
    looked = [
        found
        for who, one in clients.items()
        for url in dict.fromkeys(_addresses())
        if (found := _look(one, who, url)) is not None
    ]
    busiest = Booking.objects.order_by("-pk").values_list("household", flat=True)[0]
    homes = [
        found for role in groups.PURPOSES if (found := _look(_holding(role), role, "/mairie/")) is not None
    ]
    home = max(homes, key=lambda one: one.queries)
    household = _look(
        client,
        "mesures",
        reverse("admin:families_household_change", args=[Household.objects.get(pk=busiest).pk]),
    )
    kitchen = _look(client, "mesures", f"{reverse('admin:catering_kitchen')}?vue=semaine")
    assert household and kitchen
    floor.asks(household.queries, rows=ROWS)
    with override_settings(ROOT_URLCONF="tests.bench.floor"):
        page, bottom = yardsticks.beside(
            lambda: get(client, household.url), lambda: get(client, floor.PAGE), runs=RUNS
        )
    _say(looked, [*homes, household, kitchen], bottom)
    # As many as its own number allows: the dearest is what is furthest above, or nearest below.
    most = max(looked, key=lambda one: one.queries / MORE.get(one.url, QUERIES))
    dear = sorted({one.url for one in looked if too_dear({one.url: one.queries})})
    slowest = max(looked, key=lambda one: one.seconds)
    size = f"{TOWN if not small else SMALL}"
    plans = [
        f"{one.url} ({one.who}) : {fault}"
        for one in (*looked, *homes, household, kitchen)
        for fault in one.faults
    ]
    found = [
        measure("desk_list_queries", most.queries, "queries", MORE.get(most.url, QUERIES)) | {"pages": dear},
        measure("desk_home_queries", home.queries, "queries", HOME_QUERIES),
        measure("desk_household_queries", household.queries, "queries", HOUSEHOLD_QUERIES),
        measure("desk_kitchen_queries", kitchen.queries, "queries", KITCHEN_QUERIES),
        over("desk_household_over_bare", page, bottom, HOUSEHOLD_OVER_BARE),
        over("desk_kitchen_over_bare", kitchen.seconds, bottom, KITCHEN_OVER_BARE),
        over("desk_slowest_over_bare", slowest.seconds, bottom, LIST_OVER_BARE) | {"page": slowest.url},
    ]
    if connection.vendor == "postgresql":
        found.append(
            measure("desk_plans", len(plans), "faults", 1) | {"ratio": 2.0 * bool(plans), "faults": plans}
        )
    return [one | {"households": size, "bookings": Booking.objects.count()} for one in found]


def _say(lists: list[Looked], others: list[Looked], bottom: float) -> None:
    """The pages, the slowest first, and what is wrong with each."""
    looked = [*lists, *others]
    for one in sorted(looked, key=lambda one: -one.seconds)[:25]:
        said = f"{one.seconds * 1000:8.0f} ms {one.seconds / bottom:6.1f} × {one.queries:3} queries"
        print(f"{said}  {one.url} ({one.who})")
    for one in looked:
        many = [f"{one.queries} queries"] if one in lists and too_dear({one.url: one.queries}) else []
        for fault in (*many, *one.faults):
            print(f"✗ {one.url} ({one.who}) : {fault}")


# Running ----------------------------------------------------------------------------------------------------


def run() -> list[dict[str, Any]]:
    """As a part of the bench: in a process and a database of its own, small on SQLite."""
    with tempfile.TemporaryDirectory() as scratch:
        into = Path(scratch) / "desk.json"
        small = [] if os.environ.get("DATABASE_URL", "").startswith("postgres") else ["--small"]
        subprocess.run([sys.executable, "-m", "tests.bench.desk", *small, "--into", str(into)], check=False)
        found: list[dict[str, Any]] = json.loads(into.read_text())
    return found


def main(arguments: list[str]) -> int:
    read = argparse.ArgumentParser(prog="python -m tests.bench.desk")
    read.add_argument("--small", action="store_true", help=f"{SMALL} households")
    read.add_argument("--keep", action="store_true", help="keep the filled town for the next run")
    read.add_argument("--into", help="write the measures there, as JSON")
    asked = read.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        address = _place(asked.small, scratch)
        os.environ |= {"PORTAL_DEMO": "1", "PORTAL_VAR": scratch, "DJANGO_SETTINGS_MODULE": "portal.settings"}
        os.environ["DATABASE_URL"] = address
        django.setup()

        from django.conf import settings
        from django.db import connections

        settings.ALLOWED_HOSTS.append("testserver")
        logging.disable(logging.WARNING)  # pages that are not for who asks
        try:
            _fill(*((SMALL, SHORT_PAST) if asked.small else (TOWN, PAST)))
            found = _measures(asked.small)
        finally:
            connections.close_all()
            if not asked.keep:
                _forget(address)
    if asked.into:
        Path(asked.into).write_text(json.dumps(found))
    for one in found:
        mark = "✗" if one["ratio"] > 1 else "✓"
        print("{} {name:26} {value:>10} {unit:8} of {reference:>8}  × {ratio}".format(mark, **one))
    return int(any(one["ratio"] > 1 for one in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
