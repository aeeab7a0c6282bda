"""The cast: one family books, one waits, strangers see nothing; an agent and an accountant at the town hall.

Everybody lives at `now`, Monday 9 November 2026, 10:00 in Paris. Wednesday 11 is a public holiday, the
canteen may be reserved and cancelled until two days before at 10:00: Tuesday 10 is too late, Wednesday 11
is closed, Thursday 12 is on time until tomorrow 10:00.
"""

import gc
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from types import SimpleNamespace
from typing import Any

import factory.random
import pytest
import time_machine
from django.contrib.auth.models import Group
from django.core import mail
from django.core.cache import cache
from django.core.signals import request_finished, setting_changed
from django.db import close_old_connections, connection
from django.test import Client, TransactionTestCase
from django.utils import timezone
from hypothesis import HealthCheck, settings

from billing.models import cards_are_sold, refund_rules
from catering.models import Menu
from families import calendar_links
from families.models import (
    AccessOpening,
    AuthorisedPerson,
    Child,
    Custody,
    Guardian,
    Household,
    Reading,
    ThreadKind,
    User,
)
from families.reminders import choices, rounds
from families.threads import writing
from families.threads.writing import Said
from families.traces import reading
from portal.database import kept
from portal.models import Town
from portal.reservations.acts import booking, oversights, reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.deadlines.publics import Publics
from portal.reservations.models import (
    AbsenceCertificate,
    Activity,
    Capacity,
    Closure,
    DeadlineRule,
    Enrolment,
    Establishment,
    Notice,
    OversightRule,
    Reservation,
    SchoolYear,
    Slot,
    oversight_rules,
)
from portal.reservations.models.advances import advances
from portal.reservations.models.campaigns import publics
from portal.reservations.states import Action
from tests import ROOT, money_lock, processes
from tests.emptying import empty
from tests.factories import (
    ActivityDeadlineFactory,
    ActivityFactory,
    ChildFactory,
    DeadlineRuleFactory,
    DietChoiceFactory,
    DietFactory,
    DishFactory,
    EnrolmentFactory,
    EstablishmentFactory,
    FormulaFactory,
    GuardianFactory,
    HealthFactory,
    HouseholdFactory,
    LetterFactory,
    MenuFactory,
    PaperFactory,
    PaperKindFactory,
    PeriodFactory,
    PublicHolidayFactory,
    ReservationFactory,
    ReservationLineFactory,
    SchoolClassFactory,
    SchoolFactory,
    SchoolHolidayFactory,
    SchoolingFactory,
    SchoolYearFactory,
    TownFactory,
    UserFactory,
    paris,
    weekdays_between,
)

NOW = paris(2026, 11, 9, 10)
# When reminders leave.
EVENING = paris(2026, 11, 9, 18)
# Days that are on time at the canteen.
THURSDAY = date(2026, 11, 26)
FRIDAY = date(2026, 11, 27)

# Of a login's page at the desk: no role is typed.
NO_ROLES = {"staff_rights-TOTAL_FORMS": "0", "staff_rights-INITIAL_FORMS": "0"}

# The gate tries the same examples everywhere, however busy the machine is; `make test-long` invents more.
settings.register_profile(
    "portal", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "long", settings.get_profile("portal"), derandomize=False, max_examples=10 * settings().max_examples
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "portal"))
# An example walked on the database costs as much as a hundred of pure numbers, and undoes what it wrote.
on_the_database = settings(
    max_examples=settings().max_examples // 5,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True)
class Family:
    """A home with one adult who logs in and one child, enrolled or not."""

    household: Household
    guardian: Guardian
    user: User
    child: Child
    enrolment: Enrolment | None = None

    def client(self) -> Client:
        return logged_in(self.user)


# The pages at the desk that say what they showed, and what they say where a test tries something else.
SAYS_WHAT_IT_SHOWED = re.compile(r"/mairie/families/(household|child)/\d+/change/")
SHOWN = {"_version": '{"shown":{}}'}


class Browser(Client):
    """Posts what a browser would besides: that the page was shown, and nothing has changed since."""

    def post(self, path: str, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        if SAYS_WHAT_IT_SHOWED.search(path) and isinstance(data, dict):
            data = SHOWN | data
        return super().post(path, data, *args, **kwargs)


def logged_in(user: User) -> Client:
    client = Browser()
    client.force_login(user)
    return client


def let_go(answer: Any) -> None:
    """Of a file that nobody reads. Django would close the test's connection with it."""
    request_finished.disconnect(close_old_connections)
    answer.close()
    request_finished.connect(close_old_connections)


# Who asks for none of these may ask no database, and pytest-django sees to it.
DATABASES = {"db", "transactional_db", "installed"}
ABOUT_DATABASES = ROOT / "tests" / "portal" / "database"
# What is said on pages, in letters and on paper of rows that other tests read on both databases.
SAYS_ROWS = tuple(
    ROOT / "tests" / place
    for place in (
        "billing/admin",
        "billing/documents",
        "billing/pages",
        "catering",
        "families/admin",
        "families/chronicle",
        "families/pages",
        "leisure",
        "portal/conformance",
        "portal/desk",
        "portal/letters",
        "portal/reservations/desk",
        # What is booked behind these pages is tried in `acts` and `days`.
        "portal/reservations/pages/test_agenda.py",
        "portal/reservations/pages/test_checking.py",
        "portal/reservations/pages/test_first_steps.py",
        "portal/reservations/pages/test_in_words.py",
        "portal/reservations/pages/test_months.py",
        "portal/reservations/pages/test_renewing.py",
        "portal/reservations/pages/test_steps.py",
    )
)


def pytest_itemcollected(item: pytest.Item) -> None:
    """What may ask no database says the same beside any, unless it is about databases; and so do pages."""
    asks = (
        item.get_closest_marker("django_db") or DATABASES & set(item.fixturenames) or opens_one(item)
    ) and not any(item.path.is_relative_to(place) for place in SAYS_ROWS)
    if not asks and not item.path.is_relative_to(ABOUT_DATABASES):
        item.add_marker("once")


def opens_one(item: pytest.Item) -> bool:
    """Whether a fixture of its folder or module opens the database for it: the demo, say."""
    found = item._fixtureinfo.name2fixturedefs
    return any(
        "django_db_blocker" in one.argnames and one.baseid and name != "nobody_stays"
        for name, fixtures in found.items()
        for one in fixtures
    )


# What takes longest by itself, the longest first.
LONG_WALKS = [
    "test_desk_accessibility",
    "test_every_desk_address",
    "test_accessibility",
    "test_every_address",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests come first, so that no worker is left alone with one at the end. Those that start processes
    of their own follow each other: one worker then makes what they work on, and no two crowds meet."""

    def place(item: pytest.Item) -> tuple[int, int]:
        if "installed" in getattr(item, "fixturenames", ()):
            return 0, 0
        if item.path.stem in LONG_WALKS:
            return 1, LONG_WALKS.index(item.path.stem)
        return (2, 0) if item.get_closest_marker("browser") else (3, 0)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """All code and all tests stay until the end: nothing is gained by looking for garbage among them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def nobody_stays(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """PostgreSQL drops no database that somebody still looks at: a browser's last request, say."""
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.fixture(scope="session", autouse=True)
def quickly_emptied() -> Iterator[None]:
    """Tests that commit leave empty tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda test: empty())
        yield


# Django makes its stores anew when one of them is changed; models keep those they were made with.
OF_STORES = ("STORAGES", "STATIC_ROOT", "STATIC_URL")


@pytest.fixture(scope="session", autouse=True)
def stores_stay() -> Iterator[None]:
    """A file saved by a model is found by whoever asks for its store, in the tests after too."""

    def told(*, setting: str, **kwargs: Any) -> None:
        assert setting not in OF_STORES, f"{setting} parts the stores of models: patch django.conf.settings"

    setting_changed.connect(told)
    yield
    setting_changed.disconnect(told)


@pytest.fixture(scope="session")
def installed(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database as `migrate` makes it; tests that start processes work on copies."""
    with processes.migrated_database(tmp_path_factory) as made:
        yield made


@pytest.fixture(autouse=True)
def fresh_start() -> None:
    """No town, no clock of it, no rate limit and no random name left over from the test before."""
    kept.forget_all()
    timezone.deactivate()
    advances.keep({})  # a town that asks for no money first, as its processes know it
    refund_rules.keep({})
    cards_are_sold.keep(False)
    oversight_rules.keep({})
    oversights.in_use.keep(False)
    publics.keep(Publics())  # a town without audiences of its own, as its processes know it
    cache.clear()
    factory.random.reseed_random("portail")


@pytest.fixture(autouse=True)
def money_is_locked() -> Iterator[None]:
    """Whoever of our code writes money holds the household's row."""
    with money_lock.guarded():
        yield


@pytest.fixture
def now() -> Iterator[datetime]:
    with time_machine.travel(NOW, tick=False):
        yield NOW


@pytest.fixture
def town(db: None) -> Town:
    return TownFactory()


# Places -----------------------------------------------------------------------------------------------


@pytest.fixture
def year(db: None) -> SchoolYear:
    return SchoolYearFactory()


@pytest.fixture
def school(db: None) -> Establishment:
    return SchoolFactory(code="les-tilleuls", name="École des Tilleuls")


@pytest.fixture
def school_class(school: Establishment, year: SchoolYear):
    return SchoolClassFactory(school=school, school_year=year, name="CE1")


@pytest.fixture
def restaurant(school: Establishment) -> Establishment:
    return EstablishmentFactory(code="le-verger", name="Restaurant du Verger", serves=[school])


@pytest.fixture
def rule(db: None) -> DeadlineRule:
    """Two calendar days before, at 10:00."""
    return DeadlineRuleFactory(name="Deux jours avant à 10 h", number=2, at=time(10))


@pytest.fixture
def canteen(now: datetime, town: Town, year: SchoolYear, restaurant: Establishment, rule: DeadlineRule):
    """The canteen, open to reservation from 2 November to 18 December 2026, Monday to Friday, without limit.

    Has `activity`, `formula`, `period`, `restaurant`, `rule` and `slot(day)`.
    """
    activity = ActivityFactory(code="restauration-scolaire", establishments=[restaurant])
    formula = FormulaFactory(activity=activity, code="repas", name="Repas")
    period = PeriodFactory(activity=activity, school_year=year, code="novembre-decembre")
    holiday = PublicHolidayFactory(day=date(2026, 11, 11), name="Armistice de 1918")
    SchoolHolidayFactory(
        name="Vacances de la Toussaint", starts_on=date(2026, 10, 17), ends_on=date(2026, 11, 1)
    )
    SchoolHolidayFactory(name="Vacances de Noël", starts_on=date(2026, 12, 19), ends_on=date(2027, 1, 3))
    for action in Action:
        ActivityDeadlineFactory(activity=activity, action=action, rule=rule)
    Slot.objects.bulk_create(
        Slot(activity=activity, establishment=restaurant, day=day, part="noon")
        for day in weekdays_between(period.starts_on, period.ends_on)
        if day != holiday.day
    )

    def slot(day: date) -> Slot:
        return Slot.objects.get(activity=activity, establishment=restaurant, day=day)

    return SimpleNamespace(
        activity=activity, formula=formula, period=period, restaurant=restaurant, rule=rule, slot=slot
    )


@pytest.fixture
def mill(canteen, year: SchoolYear) -> SimpleNamespace:
    """The other school, which has a « CE1 » too, and its restaurant, open on the same days as the canteen.

    Has `school`, `school_class`, `restaurant` and `slot(day)`.
    """
    school = SchoolFactory(code="moulin-vert", name="École du Moulin-Vert")
    restaurant = EstablishmentFactory(code="la-grange", name="Restaurant de la Grange", serves=[school])
    canteen.activity.establishments.add(restaurant)
    Slot.objects.bulk_create(
        Slot(activity=canteen.activity, establishment=restaurant, day=slot.day, part=slot.part)
        for slot in Slot.objects.filter(establishment=canteen.restaurant)
    )

    def slot(day: date) -> Slot:
        return Slot.objects.get(establishment=restaurant, day=day)

    school_class = SchoolClassFactory(school=school, school_year=year, name="CE1")
    return SimpleNamespace(school=school, school_class=school_class, restaurant=restaurant, slot=slot)


# Families ---------------------------------------------------------------------------------------------


def family(login: str, name: str, child: str, school_class=None) -> Family:
    """A home whose adult logs in as `login`; the child attends `school_class`."""
    household = HouseholdFactory()
    user = UserFactory(username=login)
    guardian = GuardianFactory(household=household, user=user, first_name="Camille", last_name=name)
    boy_or_girl = ChildFactory(first_name=child, last_name=name, households=[household])
    if school_class:
        SchoolingFactory(child=boy_or_girl, school_class=school_class)
    return Family(household, guardian, user, boy_or_girl)


def enrolled(who: Family, canteen, year: SchoolYear) -> Family:
    """The same family, its child now accepted at the canteen, every day."""
    enrolment = EnrolmentFactory(
        household=who.household,
        child=who.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
        requested_by=who.user,
    )
    DietChoiceFactory(child=who.child)
    return Family(who.household, who.guardian, who.user, who.child, enrolment)


def brother_of(who: Family, first_name: str, *, born: date | None = None, **enrolment: Any) -> Enrolment:
    """One more child of the home, accepted at the same activity and place as the first one."""
    given = {} if born is None else {"birth_date": born}
    assert who.enrolment
    like = Enrolment.objects.get(pk=who.enrolment.pk)
    return EnrolmentFactory(
        household=who.household,
        child=ChildFactory(
            first_name=first_name, last_name=who.child.last_name, households=[who.household], **given
        ),
        activity=like.activity,
        establishment=like.establishment,
        school_year=like.school_year,
        **enrolment,
    )


def other_home_of(who: Family, login: str = "") -> Family:
    """Where the same child also lives, with a parent of its own; enrolled there as it is here."""
    household = HouseholdFactory()
    user = UserFactory(username=login or f"{who.user.username}-bis")
    guardian = GuardianFactory(household=household, user=user, first_name="Alix", last_name="Garcia")
    Custody.objects.create(child=who.child, household=household)
    enrolment = None
    if who.enrolment:
        like = Enrolment.objects.get(pk=who.enrolment.pk)
        enrolment = EnrolmentFactory(
            household=household,
            child=who.child,
            activity=like.activity,
            establishment=like.establishment,
            school_year=like.school_year,
            requested_by=user,
        )
    return Family(household, guardian, user, who.child, enrolment)


@pytest.fixture
def round_at(django_capture_on_commit_callbacks) -> Callable[..., list[Any]]:
    """Does the round of reminders at that moment, an evening, and answers the mails that left."""

    def do(at: datetime = EVENING) -> list[Any]:
        mail.outbox.clear()
        with time_machine.travel(at, tick=False), django_capture_on_commit_callbacks(execute=True):
            rounds.remind(at=at)
        return list(mail.outbox)

    return do


@pytest.fixture
def books(canteen, year: SchoolYear, school_class) -> Family:
    """Camille Roux and Lina, 8, accepted at the canteen: the family that books."""
    return enrolled(family("roux", "Roux", "Lina", school_class), canteen, year)


@pytest.fixture
def waits(canteen, year: SchoolYear, school_class) -> Family:
    """Camille Petit and Noé, accepted at the canteen: the family that comes second."""
    return enrolled(family("petit", "Petit", "Noé", school_class), canteen, year)


@pytest.fixture
def stranger(now: datetime, db: None) -> Family:
    """Camille Morel and Zoé, accepted by the town hall, enrolled nowhere: sees nothing of the others."""
    return family("morel", "Morel", "Zoé")


@pytest.fixture
def agent(now: datetime, db: None) -> User:
    """Does the daily work at the town hall."""
    user = UserFactory(username="agent", is_staff=True, first_name="Dominique", last_name="Agent")
    user.groups.add(Group.objects.get_or_create(name="Agent")[0])
    return user


@pytest.fixture
def regie(now: datetime, db: None) -> User:
    """The accountant."""
    user = UserFactory(username="regie", is_staff=True, first_name="Claude", last_name="Régie")
    user.groups.add(Group.objects.get_or_create(name="Régie")[0])
    return user


@pytest.fixture
def books_client(books: Family) -> Client:
    return books.client()


@pytest.fixture
def waits_client(waits: Family) -> Client:
    return waits.client()


@pytest.fixture
def stranger_client(stranger: Family) -> Client:
    return stranger.client()


@pytest.fixture
def agent_client(agent: User) -> Client:
    return logged_in(agent)


@pytest.fixture
def regie_client(regie: User) -> Client:
    return logged_in(regie)


@pytest.fixture
def lines(db: None) -> Callable[[], list[tuple[str, int, list[str]]]]:
    """What the register of reading says since it was last asked: what, of how many, of whom."""
    seen: set[int] = set()

    def since() -> list[tuple[str, int, list[str]]]:
        new = list(Reading.objects.exclude(pk__in=seen).order_by("pk"))
        seen.update(one.pk for one in new)
        return [(one.kind, one.people, sorted(map(str, one.concerned.all()))) for one in new]

    return since


# What waits at the desk ---------------------------------------------------------------------------------


@pytest.fixture
def chief(now, db: None) -> User:
    """May do everything, sees the technical tables too."""
    return UserFactory(username="chief", is_staff=True, is_superuser=True)


@pytest.fixture
def chief_client(chief: User) -> Client:
    return logged_in(chief)


@pytest.fixture
def asks(canteen, now) -> Callable[..., Reservation]:
    """A family records days; with `on_request` (the default), the town hall has to answer them."""

    def ask(who: Family, *days: date, on_request: bool = True) -> Reservation:
        processing = Activity.Processing.ON_REQUEST if on_request else Activity.Processing.AUTOMATIC
        Activity.objects.filter(pk=canteen.activity.pk).update(processing=processing)
        draft = ReservationFactory(enrolment=who.enrolment, period=canteen.period, created_by=who.user)
        for day in days:
            ReservationLineFactory(reservation=draft, formula=canteen.formula, day=day, accepts_waiting=True)
        return booking.submit(draft, by=who.user, at=now)

    return ask


@pytest.fixture
def lived_in(asks, books, waits, canteen):
    """A desk with a row of nearly everything."""
    asks(books, THURSDAY)
    asks(waits, THURSDAY, FRIDAY, on_request=False)
    HealthFactory(child=books.child, has_pai=True, allergies="Arachides")
    reading.add(
        UserFactory(username="accueil", is_staff=True), Reading.Kind.HEALTH, at=NOW, child=books.child
    )
    Capacity.objects.create(
        activity=canteen.activity, establishment=canteen.restaurant, part="noon", places=120
    )
    Closure.objects.create(starts_on=FRIDAY, ends_on=FRIDAY, why=Closure.Why.TRIP)
    menu = Menu.objects.create(restaurant=canteen.restaurant, day=THURSDAY)
    menu.dishes.create(course="main", name="Gratin", allergens=["milk"])


# Pages ------------------------------------------------------------------------------------------------

PUBLIC_PAGES = [
    "/connexion/",
    "/creer-un-compte/",
    "/mot-de-passe-oublie/",
    "/mentions-legales/",
    "/donnees-personnelles/",
    "/accessibilite/",
]


@pytest.fixture
def pages(books, canteen, now) -> list[str]:
    """Addresses with something of every kind on them."""
    ChildFactory(first_name="Hugo", last_name="Roux", households=[books.household])
    AuthorisedPerson.objects.create(child=books.child, name="Jeanne Roux", phone="0639980011")
    desk = UserFactory(username="accueil", is_staff=True)
    reading.add(desk, Reading.Kind.HEALTH, at=now, what="Registre de présence", children=[books.child.pk])
    DietFactory(name="Sans porc")
    DishFactory(menu=MenuFactory(restaurant=canteen.restaurant, day=date(2026, 11, 12)), allergens=["milk"])
    Slot.objects.filter(day=date(2026, 11, 13)).update(capacity=0)

    def choose(*days: int, wait: tuple[int, ...] = ()) -> Reservation:
        draft = reservation_drafts.choose(
            books.enrolment,
            canteen.restaurant,
            canteen.period,
            book={Choice(canteen.formula.pk, date(2026, 11, day)) for day in days},
            wait={Choice(canteen.formula.pk, date(2026, 11, day)) for day in wait},
            by=books.user,
            at=now,
        )
        assert draft is not None
        return draft

    recorded = booking.submit(choose(12, wait=(13,)), by=books.user, at=now)
    draft = choose(19, 20)
    certificate = AbsenceCertificate.objects.create(
        household=books.household, child=books.child, first_day=now.date(), last_day=now.date(), given_at=now
    )
    planning = f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/"
    alix = GuardianFactory(household=books.household, user=None, first_name="Alix", last_name="Roux")
    opening = AccessOpening.objects.create(
        kind=AccessOpening.Kind.GUARDIAN, household=books.household, guardian=alix, asked_at=now
    )
    Activity.objects.filter(pk=canteen.activity.pk).update(families_end=True)
    letter = LetterFactory(guardian=books.guardian, state="failed")
    calendar_links.make(books.guardian, replaces="", at=now)
    ThreadKind.objects.create(name="Facture")
    asked = Said("Un repas de trop", "Pouvez-vous vérifier ?", child=books.child)
    thread = writing.begin(books.household, asked, by=books.user, at=now)
    writing.answer(thread, "C'est corrigé.", seen=thread.messages.get().pk, by=desk, at=now)
    Notice.objects.create(title="Fête de l'école", text="À 17 h", starts_on=now.date(), ends_on=now.date())
    insurance = PaperKindFactory(asked_by=[canteen.activity])
    PaperFactory(
        kind=PaperKindFactory(about="household", name="Règlement signé", asked_by=[canteen.activity]),
        household=books.household,
        state="refused",
        refusal_reason="Il manque la signature.",
    )
    OversightRule.objects.create(activity=canteen.activity, valid_from=date(2026, 9, 1))
    return [
        "/",
        "/mon-agenda/",
        "/foyer/",
        "/foyer/acces/",
        f"/foyer/acces/{opening.pk}/",
        "/foyer/adresse/",
        "/foyer/quotient/",
        "/foyer/quotient/caf-msa/",
        "/foyer/consultations/",
        "/foyer/telephones/",
        "/mes-messages/",
        f"/mes-messages/{letter.pk}/",
        "/mes-messages/mairie/ecrire/",
        f"/mes-messages/mairie/{thread.pk}/",
        "/mon-historique/",
        "/mes-papiers/",
        f"/mes-papiers/{insurance.pk}/enfants/{books.child.pk}/",
        "/mes-rappels/",
        f"/mes-rappels/arreter/{choices.token(books.guardian)}/",
        "/foyer/mes-donnees/",
        "/foyer/mes-donnees/effacer/",
        "/mon-adresse-e-mail/",
        "/mon-mot-de-passe/",
        "/mes-connexions/",
        "/double-authentification/",
        "/confirmer-mon-identite/",
        f"/enfants/{books.child.pk}/",
        f"/enfants/{books.child.pk}/sante/",
        "/absences/",
        "/absences/malade/",
        f"/absences/{certificate.pk}/retirer/",
        f"/absences/enfant/{books.child.pk}/",
        f"/absences/enfant/{books.child.pk}/?du=2026-11-12&au=2026-11-13",
        f"/absences/enfant/{books.child.pk}/?du=2026-11-13&au=2026-11-12",
        "/cantine/inscription/",
        f"/cantine/inscriptions/{books.enrolment.pk}/",
        f"/inscriptions/{books.enrolment.pk}/fin/",
        "/cantine/reservation/?annulation",
        planning,
        f"/reservations/annuler/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/",
        f"{planning}#habituels",
        f"/reservations/{draft.pk}/validation/",
        f"/reservations/{draft.pk}/enregistrement/",
        f"/reservations/{draft.pk}/abandonner/",
        f"/reservations/{recorded.pk}/",
        "/reservations/catering/toutes/",
        "/reservations/oublis/",
        "/factures/previsionnelle/",
        "/factures/mon-compte/",
        "/nulle-part/",
    ]
