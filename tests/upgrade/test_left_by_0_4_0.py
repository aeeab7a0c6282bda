"""What 0.4.0 knew otherwise than today: written into its town on the way, looked at after one walk."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from families.models import Diet, DietChoice, HomeDiet
from portal.database import versions
from portal.reservations.models import Booking
from tests.upgrade.conftest import migrate_to, models_at, walking

# Migrations of released versions stand for ever, and so does what they met.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def walk(kind: str, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[Any]:
    """What the walk met on its way, and `at_home`, its portal."""
    with walking("0.4.0", kind, tmp_path_factory.mktemp("walk")) as at_home:
        with django_db_blocker.unblock(), at_home():
            before = models_at("reservations", "0006_changes_and_announced_absences")
            formulas = before.get_model("reservations", "Formula").objects
            formulas.filter(activity__service="catering").update(with_meal=False)
            shared = enrolled_from_a_second_home(before)
            for name in ("Végétarien", "Menu VÉGÉTALIEN", "sans  porc ni gluten"):
                before.get_model("families", "Diet").objects.create(name=name)

            before = migrate_to("reservations", "0011_enrolment_campaigns")
            before.get_model("reservations", "Audience").objects.create(
                code="hors-commune", label="Extérieurs", belonging="non_resident", order=7
            )
            after = migrate_to("reservations", "0012_usual_audiences").get_model("reservations", "Audience")
            audiences = list(after.objects.order_by("order").values_list("code", "label", "belonging"))
            call_command("migrate", verbosity=0)
        yield SimpleNamespace(at_home=at_home, shared=shared, audiences=audiences)


@pytest.fixture
def walked(walk: Any, django_db_blocker: Any) -> Iterator[Any]:
    """Today's code runs on what the walk led to."""
    with django_db_blocker.unblock(), walk.at_home():
        yield walk


def enrolled_from_a_second_home(before: Any) -> Any:
    """A child with a diet, whom another home asks for too: `child`, `homes` and `diet`."""
    Enrolment = before.get_model("reservations", "Enrolment")
    first = Enrolment.objects.filter(activity__service="catering", state="accepted").order_by("pk")[0]
    other = before.get_model("families", "Household").objects.exclude(pk=first.household_id).order_by("pk")[0]
    Enrolment.objects.create(
        household_id=other.pk,
        child_id=first.child_id,
        activity_id=first.activity_id,
        establishment_id=first.establishment_id,
        school_year_id=first.school_year_id,
        starts_on=first.starts_on,
        state="requested",
    )
    diet = before.get_model("families", "DietChoice").objects.get(child=first.child_id).diet_id
    return SimpleNamespace(child=first.child_id, homes=sorted([first.household_id, other.pk]), diet=diet)


def test_a_walk_that_was_stopped_ends_at_this_version(walked):
    assert versions.hindrance(connection) == ""


def test_every_town_has_the_audiences_of_the_town_and_from_elsewhere_as_it_calls_them(walked):
    assert walked.audiences == [
        ("commune", "Commune", "resident"),
        ("hors-commune", "Extérieurs", "non_resident"),
    ]


def test_both_homes_of_a_child_are_taken_to_say_its_diet(walked):
    said = HomeDiet.objects.filter(child=walked.shared.child).order_by("household")
    assert list(said.values_list("household", "diet")) == [
        (home, walked.shared.diet) for home in walked.shared.homes
    ]
    assert not DietChoice.objects.filter(differs_since__isnull=False).exists()


def test_diets_leave_out_what_their_names_say(walked):
    flags = ("without_pork", "without_meat", "without_fish", "without_animals")
    found = {diet.name: [name for name in flags if getattr(diet, name)] for diet in Diet.objects.all()}
    assert found == {
        "Sans régime particulier": [],
        "Sans porc": ["without_pork"],
        "Sans viande": ["without_meat"],
        "Panier-repas (allergie avec PAI)": [],
        "Végétarien": ["without_meat", "without_fish"],
        "Menu VÉGÉTALIEN": ["without_animals"],
        "sans  porc ni gluten": ["without_pork"],
    }


def test_what_the_canteen_served_is_still_cooked(walked):
    served = Booking.objects.holding().filter(activity__service="catering")
    assert served.exists()
    assert Booking.objects.meals().filter(activity__service="catering").count() == served.count()
