"""Whatever changes in a family's life or a town's calendar, in whatever order, and whoever says it: each day
costs what was known at its last bill or recalculation, places are those of bookings, no live day is lost."""

from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.models import BillingSettings, FormulaTariff, TariffModifier
from billing.prices import estimates
from portal import town as town_module
from portal.reservations.models import Activity, Slot
from tests.billing.life_changes import SHUT, Life
from tests.conftest import NOW, Family, brother_of, on_the_database, other_home_of
from tests.factories import EstablishmentFactory, FormulaFactory, SchoolClassFactory, SchoolingFactory

pytestmark = pytest.mark.django_db

who = st.integers(0, 3)
some_days = st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True)
a_day = st.integers(0, 9)
ahead = st.integers(-20, 25)


def act(name: str, *said: Any) -> Any:
    return st.tuples(st.just(name), *said)


yes_or_no = st.booleans()
how = st.sampled_from(["automatic", "on_request"])
ACTS = st.one_of(
    act("books", who, some_days, yes_or_no),
    act("books", who, some_days, st.just(True), st.integers(0, 1)),
    act("gives_up", who, some_days),
    act("takes_instead", who, a_day),
    act("answers_offers", who, yes_or_no),
    act("waits_to_the_end", who, yes_or_no),
    act("asks_to_move", who, st.integers(0, 2), st.none() | st.integers(0, 25)),
    act("ends", who, st.integers(-5, 20), yes_or_no, yes_or_no),
    act("takes_up", who, yes_or_no),
    act("enrols", who, st.integers(-10, 10)),
    act("accepts", st.integers(0, 3)),
    act("refuses", st.integers(0, 3)),
    act("cancels", who, a_day),
    act("moves", who, st.integers(0, 2), ahead, yes_or_no),
    act("sends_to", who, st.integers(0, 2), ahead),
    act("answers_moves", yes_or_no),
    act("places_left_days", st.sampled_from(["places", "waits", "drops"])),
    act("closes", st.sampled_from(sorted(SHUT))),
    act("closes", st.sampled_from(sorted(SHUT))),
    act("reopens"),
    act("reopens"),
    act("mends"),
    act("relays"),
    act("decides_otherwise", st.just("processing"), how),
    act("decides_otherwise", st.just("cancel_processing"), how),
    act("decides_otherwise", st.just("enrolment_processing"), how),
    act("decides_otherwise", st.just("offer_hours"), st.sampled_from([None, 1])),
    act("leaves_home", st.sampled_from([0, 1]), st.sampled_from(["confier", "annuler", "garder"])),
    act("lives", who, yes_or_no, ahead),
    act("tells_quotient", who, st.sampled_from([100, 900]), ahead),
    act("came", who, a_day, st.sampled_from(["present", "absent", "ill", "strike"])),
    act("time_passes", st.sampled_from([1, 20, 40, 24 * 8])),
    act("issues"),
    act("issues"),
    act("credits", who, a_day),
    act("recalculates", who, st.sampled_from([11, 12])),
    act("recalculates", who, st.sampled_from([11, 12])),
)


@settings(on_the_database, max_examples=on_the_database.max_examples // 3)
@given(
    acts=st.lists(ACTS, min_size=6, max_size=16),
    places=st.sampled_from([None, 2, 1]),
    told=st.sets(st.sampled_from(["residence_late", "siblings_late"])),
)
def test_whatever_changes_each_day_is_paid_once_placed_once_and_seen(lives, acts, places, told):
    with transaction.atomic():
        life = lives(places, told)
        life.does("books", 0, range(6), True)
        for name, *said in acts:
            life.does(name, *said)
        life.does("issues")
        transaction.set_rollback(True)


@pytest.fixture
def lives(canteen, mill, year, school_class, books, waits, agent, meals):
    """Lina in her two homes, her brother in the first, Noé in another; a young class in her school."""
    first = school_class.school
    both = EstablishmentFactory(code="la-halle", name="Restaurant de la Halle", serves=[first, mill.school])
    canteen.activity.establishments.add(both)
    Slot.objects.bulk_create(
        Slot(activity=canteen.activity, establishment=both, day=slot.day, part=slot.part)
        for slot in Slot.objects.filter(establishment=canteen.restaurant)
    )
    young = SchoolClassFactory(school=first, school_year=year, name="GS", level="maternelle")
    picnic = FormulaFactory(activity=canteen.activity, code="pique-nique", name="Pique-nique", order=2)
    FormulaTariff.objects.create(formula=picnic, tariff=meals)
    for modifier in (
        {"when": "level", "level": "maternelle", "effect": "add", "amount": "-0.50"},
        {"when": "rank", "number": 2, "effect": "percent", "amount": -50},
        {"when": "non_resident", "effect": "multiply", "amount": 2},
        {"when": "absent", "effect": "price", "amount": 5},
    ):
        TariffModifier.objects.create(tariff=meals, **modifier)
    for action in ("book", "cancel"):
        late = "accept" if action == "book" else "request"
        canteen.activity.deadlines.filter(action=action).update(late=late)
    other = other_home_of(books)
    hugo = brother_of(books, "Hugo")
    SchoolingFactory(child=hugo.child, school_class=school_class)
    brother = Family(books.household, books.guardian, books.user, hugo.child, hugo)
    Activity.objects.update(families_end=True)

    def make(places: int | None, told: set[str]) -> Life:
        town_module.forget()
        estimates.forget()
        cache.clear()
        Slot.objects.update(capacity=places)
        settings = BillingSettings.current()
        for name in told:
            setattr(settings, name, "told")
        settings.save()
        return Life(
            canteen,
            [books, other, brother, waits],
            [canteen.restaurant, mill.restaurant, both],
            [school_class, young, mill.school_class],
            agent,
            NOW,
        )

    return make
