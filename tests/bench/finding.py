"""« Rechercher » of the desk in a town of 10 000 households: names, streets, telephones, one letter.

It runs by itself on the database of DATABASE_URL: `python -m tests.bench.finding` fills it and says all
times as JSON.
"""

import json
import os
import random
import sys
from datetime import date
from urllib.parse import urlencode

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client, override_settings
from faker import Faker

from families.models import Child, Custody, Guardian, Household, User
from portal.models import Town
from portal.reservations.models import SchoolClass, Schooling
from portal.reservations.staff import giving
from tests.bench import floor, yardsticks
from tests.bench.engine import Measure, get, measure, over, queries_of
from tests.factories import SchoolClassFactory, SchoolFactory, SchoolYearFactory, TownFactory, UserFactory

TOWN, CHILDREN, FAMILY_NAMES = 10_000, 15_000, 3000
A_BITE = 2000
# Session, user, roles; rows, adults, children.
QUERIES, ROWS = 6, 60
ALLOWED = 14


@transaction.atomic
def fill(households: int) -> list[str]:
    """So many households, two adults in each other one, a child or two; the names that they share."""
    fake, some = Faker("fr_FR"), random.Random(17)
    fake.seed_instance(17)
    names = [f"{fake.last_name()} {fake.last_name()}".title() for _ in range(FAMILY_NAMES - 300)]
    names += [fake.unique.last_name() for _ in range(300)] * 4
    first = [fake.first_name() for _ in range(400)]
    homes = Household.objects.bulk_create(
        (
            Household(
                street=fake.street_address(),
                postcode="44800",
                city=fake.city() if number % 9 == 0 else "Saint-Herblain",
                state="accepted",
            )
            for number in range(households)
        ),
        batch_size=A_BITE,
    )
    of = [some.choice(names) for _ in homes]
    living = [(home, name) for home, name in zip(homes, of, strict=True)]
    adults = [*living, *living[::2]]
    users = User.objects.bulk_create(
        (
            User(username=f"famille{number}", email=f"{some.choice(first)}.{number}@exemple.fr".lower())
            for number in range(len(adults))
        ),
        batch_size=A_BITE,
    )
    Guardian.objects.bulk_create(
        (
            Guardian(
                household=home,
                user=user,
                first_name=some.choice(first),
                last_name=name,
                phone=f"06 {some.randrange(10**8):08d}",
            )
            for (home, name), user in zip(adults, users, strict=True)
        ),
        batch_size=A_BITE,
    )
    parents = [living[number % len(living)] for number in range(CHILDREN * households // TOWN)]
    children = Child.objects.bulk_create(
        (
            Child(
                first_name=some.choice(first),
                last_name=name,
                birth_date=date(2013 + some.randrange(10), 1 + some.randrange(12), 3),
            )
            for _, name in parents
        ),
        batch_size=A_BITE,
    )
    Custody.objects.bulk_create(
        (Custody(child=child, household=home) for child, (home, _) in zip(children, parents, strict=True)),
        batch_size=A_BITE,
    )
    classes = _classes()
    Schooling.objects.bulk_create(
        (
            Schooling(child=child, school_class=one, school_year=one.school_year)
            for child in children
            for one in (some.choice(classes),)
        ),
        batch_size=A_BITE,
    )
    return of


def _classes() -> list[SchoolClass]:
    year = SchoolYearFactory(name="Recherche", starts_on=date(2026, 9, 1), ends_on=date(2027, 8, 31))
    return [SchoolClassFactory(school=SchoolFactory(), school_year=year) for _ in range(12)]


def asked(of: list[str]) -> dict[str, str]:
    """What a telephone call begins with."""
    adult = Guardian.objects.filter(household__street__contains=" ").order_by("pk")[4321 % TOWN]
    child = Child.objects.order_by("-pk")[123]
    return {
        "adult": f"{adult.last_name} {adult.first_name}",
        "child": str(child),
        "one_name": max(set(of), key=of.count),
        "street": f"{adult.household.street.lower()}",
        "words_of_all": "rue saint herblain",
        "phone": adult.phone,
        "phone_begins": adult.phone[:8],
        "address": str(adult.user.email) if adult.user else "",
        "number": adult.household.number,
        "letter": "m",
        "nobody": "zyxw qrst",
    }


def times(of: list[str], runs: int = 15) -> tuple[dict[str, float], float, int]:
    """Seconds of each search and of a bare page with as many queries; the most queries of any."""
    agent = UserFactory(username="agent-recherche", is_staff=True)
    giving.give(agent, Group.objects.get(name="Agent"), by=None)
    client = Client()
    client.force_login(agent)
    floor.asks(QUERIES, rows=ROWS)
    found: dict[str, float] = {}
    bare: list[float] = []
    most = 0
    with override_settings(ROOT_URLCONF="tests.bench.floor"):
        for name, text in asked(of).items():
            url = f"/mairie/rechercher/?{urlencode({'q': text, 'extrait': 1})}"
            get(client, url)
            most = max(most, queries_of(lambda url=url: get(client, url)))
            found[name], bottom = yardsticks.beside(
                lambda url=url: get(client, url), lambda: get(client, floor.PAGE), runs=runs
            )
            bare.append(bottom)
    return found, min(bare), most


def run() -> list[Measure]:
    if not Town.objects.exists():
        TownFactory()
    of = fill(TOWN)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    found, bare, most = times(of)
    return [
        measure("search_10000_queries", most, "queries", QUERIES),
        # The slowest of all that may be said.
        over("search_10000_over_bare", max(found.values()), bare, ALLOWED),
    ]


if __name__ == "__main__":
    settings.ALLOWED_HOSTS.append("testserver")
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    if not Town.objects.exists():
        TownFactory()
    names = (
        fill(TOWN)
        if not Household.objects.exists()
        else list(Guardian.objects.values_list("last_name", flat=True))
    )
    with connection.cursor() as one:
        one.execute("ANALYZE")
    User.objects.filter(username="agent-recherche").delete()
    seconds, bottom, queries = times(names)
    said = {name: round(1000 * value, 1) for name, value in seconds.items()}
    told = said | {"bare": round(1000 * bottom, 1), "queries": queries}
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
