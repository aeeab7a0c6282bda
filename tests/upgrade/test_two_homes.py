"""What was known before homes said diets, and before a formula was asked whether it holds a meal."""

from families.models import Diet, DietChoice, HomeDiet
from portal.reservations.models import Booking
from tests.upgrade.conftest import migrate_to

DIETS, WORDS, MEALS = "0016_what_diets_leave_out", "0015_what_homes_say_of_diets", "0003_meals_of_the_canteen"


def test_both_homes_of_a_child_are_taken_to_say_its_diet(last_release):
    before = migrate_to("reservations", "0006_changes_and_announced_absences")
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
    migrate_to("reservations", WORDS)
    said = HomeDiet.objects.filter(child=first.child_id).order_by("household")
    homes = sorted([first.household_id, other.pk])
    assert list(said.values_list("household", "diet")) == [(home, diet) for home in homes]
    assert not DietChoice.objects.filter(differs_since__isnull=False).exists()


def test_diets_leave_out_what_their_names_say(last_release):
    before = migrate_to("families", "0011_calendar_link").get_model("families", "Diet")
    for name in ("Végétarien", "Menu VÉGÉTALIEN", "sans  porc ni gluten"):
        before.objects.create(name=name)
    migrate_to("families", DIETS)
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


def test_what_the_canteen_served_is_still_cooked(last_release):
    before = migrate_to("catering", "0002_initial").get_model("reservations", "Formula")
    before.objects.filter(activity__service="catering").update(with_meal=False)
    migrate_to("catering", MEALS)
    served = Booking.objects.holding().filter(activity__service="catering")
    assert served.exists()
    assert Booking.objects.meals().filter(activity__service="catering").count() == served.count()
