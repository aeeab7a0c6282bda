"""One factory a model. People come from the demo's own factories; places and bookings are made here.

`BookingFactory` keeps the engine's promises: it takes its places in the slots of the day (made when
missing), so that `Slot.taken` and `Place` agree with the bookings' states.
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from billing.models import Invoice
from catering.models import SERVICE as CATERING
from catering.models import Dish, Menu
from families.models import (
    AskedText,
    ChangeRequest,
    Diet,
    DietChoice,
    Letter,
    Paper,
    PaperKind,
    TextVersion,
)
from portal.demo.factories import (
    PASSWORD,
    AuthorisedPersonFactory,
    ChildFactory,
    GuardianFactory,
    HealthFactory,
    HouseholdFactory,
    QuotientFactory,
    UserFactory,
)
from portal.models import Town
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    ActivityPaper,
    ActivityText,
    Audience,
    Booking,
    BookingEvent,
    Campaign,
    Capacity,
    Closure,
    DeadlineRule,
    DeadlineWindow,
    Enrolment,
    Establishment,
    Formula,
    Part,
    Period,
    Place,
    PublicHoliday,
    Reservation,
    ReservationLine,
    SchoolClass,
    SchoolHoliday,
    Schooling,
    SchoolYear,
    Slot,
)
from portal.reservations.states import (
    HOLDING,
    LIVE,
    Action,
    BookingState,
    EnrolmentState,
    Outcome,
    ReservationState,
)

__all__ = [
    "PASSWORD",
    "AuthorisedPersonFactory",
    "ChildFactory",
    "GuardianFactory",
    "HealthFactory",
    "HouseholdFactory",
    "QuotientFactory",
    "UserFactory",
]

PARIS = ZoneInfo("Europe/Paris")


def paris(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """A moment of Paris, aware."""
    return datetime(year, month, day, hour, minute, tzinfo=PARIS)


class TownFactory(DjangoModelFactory[Town]):
    class Meta:
        model = Town
        django_get_or_create = ("id",)

    id = 1
    name = "Valmirelle-les-Prés"
    phone = "01 99 00 12 34"
    email = "mairie@example.org"


class ChangeRequestFactory(DjangoModelFactory[ChangeRequest]):
    class Meta:
        model = ChangeRequest

    household = factory.SubFactory(HouseholdFactory)
    kind = ChangeRequest.Kind.ADDRESS
    street = "3 rue des Lilas"
    postcode = "01999"
    city = "Valmirelle-les-Prés"


class LetterFactory(DjangoModelFactory[Letter]):
    """To `guardian`, or to nobody's address."""

    class Meta:
        model = Letter

    guardian = None
    household = factory.LazyAttribute(lambda made: made.guardian and made.guardian.household)
    to = factory.LazyAttribute(
        lambda made: made.guardian.user.email if made.guardian else "nobody@example.org"
    )
    kind = "reservations/recorded"
    subject = factory.Sequence(lambda number: f"Message {number}")
    text = "Bonjour, voici ce que vous avez demandé."
    state = Letter.State.SENT
    posted_at = sent_at = factory.LazyFunction(timezone.now)


class PaperKindFactory(DjangoModelFactory[PaperKind]):
    """An insurance, one a child, until the end of the school year; asked by `asked_by=[activity, …]`."""

    class Meta:
        model = PaperKind
        skip_postgeneration_save = True

    code = factory.Sequence(lambda number: f"papier-{number}")
    name = "Attestation d'assurance"

    @factory.post_generation
    def asked_by(self: PaperKind, create: bool, extracted: Any, **kwargs: Any) -> None:
        for activity in extracted or ():
            ActivityPaper.objects.create(activity=activity, kind=self)


class AskedTextFactory(DjangoModelFactory[AskedText]):
    """Rules of procedure, one answer a household, with a version since the school year began."""

    class Meta:
        model = AskedText
        skip_postgeneration_save = True

    code = factory.Sequence(lambda number: f"texte-{number}")
    name = "Règlement intérieur"

    @factory.post_generation
    def version(self: AskedText, create: bool, extracted: Any, **kwargs: Any) -> None:
        TextVersion.objects.create(text=self, starts_on=date(2026, 9, 1), body="L'accueil ouvre à 7 h 30.")


class ActivityTextFactory(DjangoModelFactory[ActivityText]):
    class Meta:
        model = ActivityText


class PaperFactory(DjangoModelFactory[Paper]):
    """Of a child, sent a minute ago, without a file."""

    class Meta:
        model = Paper

    kind = factory.SubFactory(PaperKindFactory)
    household = factory.SubFactory(HouseholdFactory)
    private = factory.LazyAttribute(lambda made: made.kind.is_private)
    state = Paper.State.SENT
    sent_at = factory.LazyFunction(timezone.now)
    starts_on = factory.LazyAttribute(
        lambda made: None if made.state in (*Paper.OPEN, Paper.State.REFUSED) else date(2026, 9, 1)
    )


# Places and calendar ----------------------------------------------------------------------------------


class EstablishmentFactory(DjangoModelFactory[Establishment]):
    """A restaurant, unless `kind` says otherwise; `serves=[school, …]` sets the schools it serves."""

    class Meta:
        model = Establishment
        skip_postgeneration_save = True

    code = factory.Sequence(lambda n: f"etablissement-{n}")
    name = factory.Sequence(lambda n: f"Établissement {n}")
    kind = Establishment.Kind.RESTAURANT

    @factory.post_generation
    def serves(self: Establishment, create: bool, extracted: Any, **kwargs: Any) -> None:
        if create and extracted:
            self.schools.set(extracted)


class SchoolFactory(EstablishmentFactory):
    code = factory.Sequence(lambda n: f"ecole-{n}")
    name = factory.Sequence(lambda n: f"École {n}")
    kind = Establishment.Kind.SCHOOL


class CentreFactory(EstablishmentFactory):
    code = factory.Sequence(lambda n: f"centre-{n}")
    name = factory.Sequence(lambda n: f"Centre de loisirs {n}")
    kind = Establishment.Kind.CENTRE


class SchoolYearFactory(DjangoModelFactory[SchoolYear]):
    class Meta:
        model = SchoolYear
        django_get_or_create = ("name",)

    name = "2026-2027"
    starts_on = date(2026, 9, 1)
    ends_on = date(2027, 7, 2)


class SchoolClassFactory(DjangoModelFactory[SchoolClass]):
    class Meta:
        model = SchoolClass

    school = factory.SubFactory(SchoolFactory)
    school_year = factory.SubFactory(SchoolYearFactory)
    name = factory.Sequence(lambda n: f"CE1-{n}")


class SchoolingFactory(DjangoModelFactory[Schooling]):
    class Meta:
        model = Schooling

    child = factory.SubFactory(ChildFactory)
    school_class = factory.SubFactory(SchoolClassFactory)
    school_year = factory.SelfAttribute("school_class.school_year")


class PublicHolidayFactory(DjangoModelFactory[PublicHoliday]):
    class Meta:
        model = PublicHoliday

    day = date(2026, 11, 11)
    name = "Armistice de 1918"


class SchoolHolidayFactory(DjangoModelFactory[SchoolHoliday]):
    class Meta:
        model = SchoolHoliday

    zone = Town.Zone.A
    name = "Vacances de Noël"
    starts_on = date(2026, 12, 19)
    ends_on = date(2027, 1, 3)


class ClosureFactory(DjangoModelFactory[Closure]):
    class Meta:
        model = Closure

    starts_on = date(2026, 11, 20)
    ends_on = factory.SelfAttribute("starts_on")
    why = Closure.Why.STRIKE


# Rules ------------------------------------------------------------------------------------------------


class DeadlineRuleFactory(DjangoModelFactory[DeadlineRule]):
    """Two calendar days before, at 10 o'clock."""

    class Meta:
        model = DeadlineRule

    name = factory.Sequence(lambda n: f"Règle {n}")
    kind = DeadlineRule.Kind.DAYS_BEFORE
    number = 2
    at = time(10, 0)


class DeadlineWindowFactory(DjangoModelFactory[DeadlineWindow]):
    class Meta:
        model = DeadlineWindow

    rule = factory.SubFactory(DeadlineRuleFactory, kind=DeadlineRule.Kind.WINDOWS, number=None, at=None)
    covers_from = date(2026, 11, 2)
    covers_to = date(2026, 12, 18)


class ActivityFactory(DjangoModelFactory[Activity]):
    """A canteen: automatic processing; `establishments=[…]`."""

    class Meta:
        model = Activity
        skip_postgeneration_save = True

    code = factory.Sequence(lambda n: f"activite-{n}")
    name = "Restauration scolaire"
    service = CATERING

    @factory.post_generation
    def establishments(self: Activity, create: bool, extracted: Any, **kwargs: Any) -> None:
        if create and extracted:
            self.establishments.set(extracted)


class FormulaFactory(DjangoModelFactory[Formula]):
    class Meta:
        model = Formula

    activity = factory.SubFactory(ActivityFactory)
    code = factory.Sequence(lambda n: f"formule-{n}")
    name = "Repas"
    parts = factory.LazyFunction(lambda: [Part.NOON.value])
    with_meal = True


class PeriodFactory(DjangoModelFactory[Period]):
    """The weeks from Toussaint to Noël 2026."""

    class Meta:
        model = Period

    activity = factory.SubFactory(ActivityFactory)
    school_year = factory.SubFactory(SchoolYearFactory)
    code = factory.Sequence(lambda n: f"periode-{n}")
    name = "Novembre et décembre 2026"
    starts_on = date(2026, 11, 2)
    ends_on = date(2026, 12, 18)


class ActivityDeadlineFactory(DjangoModelFactory[ActivityDeadline]):
    class Meta:
        model = ActivityDeadline

    activity = factory.SubFactory(ActivityFactory)
    action = Action.BOOK
    rule = factory.SubFactory(DeadlineRuleFactory)


class CapacityFactory(DjangoModelFactory[Capacity]):
    class Meta:
        model = Capacity

    activity = factory.SubFactory(ActivityFactory)
    establishment = factory.SubFactory(EstablishmentFactory)
    part = Part.NOON
    places = 100


class AudienceFactory(DjangoModelFactory[Audience]):
    """Households from elsewhere."""

    class Meta:
        model = Audience
        django_get_or_create = ("code",)

    code = "hors-commune"
    label = "Hors commune"
    belonging = Audience.Belonging.NON_RESIDENT


class CampaignFactory(DjangoModelFactory[Campaign]):
    """For all families and activities."""

    class Meta:
        model = Campaign

    school_year = factory.SubFactory(SchoolYearFactory)


class SlotFactory(DjangoModelFactory[Slot]):
    class Meta:
        model = Slot

    activity = factory.SubFactory(ActivityFactory)
    establishment = factory.SubFactory(EstablishmentFactory)
    day = date(2026, 11, 16)
    part = Part.NOON


# What families ask for --------------------------------------------------------------------------------


class EnrolmentFactory(DjangoModelFactory[Enrolment]):
    """An accepted enrolment from the first day of the year, every day; the child lives in `household`."""

    class Meta:
        model = Enrolment

    household = factory.SubFactory(HouseholdFactory)
    child = factory.SubFactory(ChildFactory, households=[factory.SelfAttribute("..household")])
    activity = factory.SubFactory(ActivityFactory)
    establishment = factory.SubFactory(EstablishmentFactory)
    school_year = factory.SubFactory(SchoolYearFactory)
    weekdays = 0b11111
    starts_on = factory.SelfAttribute("school_year.starts_on")
    state = EnrolmentState.ACCEPTED


class ReservationFactory(DjangoModelFactory[Reservation]):
    """A draft of an enrolment. Give `enrolment` and `period`."""

    class Meta:
        model = Reservation

    enrolment = factory.SubFactory(EnrolmentFactory)
    household = factory.SelfAttribute("enrolment.household")
    child = factory.SelfAttribute("enrolment.child")
    establishment = factory.SelfAttribute("enrolment.establishment")
    period = factory.SubFactory(PeriodFactory, activity=factory.SelfAttribute("..enrolment.activity"))
    state = ReservationState.DRAFT
    created_at = factory.LazyFunction(timezone.now)
    touched_at = factory.SelfAttribute("created_at")


class ReservationLineFactory(DjangoModelFactory[ReservationLine]):
    class Meta:
        model = ReservationLine

    reservation = factory.SubFactory(ReservationFactory)
    formula = factory.LazyAttribute(lambda line: line.reservation.enrolment.activity.formulas.first())
    day = date(2026, 11, 16)
    action = Action.BOOK
    outcome = Outcome.DRAFT


class BookingFactory(DjangoModelFactory[Booking]):
    """An accepted booking that takes its places. Give `enrolment` and `day` (and `state`, `formula`)."""

    class Meta:
        model = Booking
        skip_postgeneration_save = True

    enrolment = factory.SubFactory(EnrolmentFactory)
    household = factory.SelfAttribute("enrolment.household")
    child = factory.SelfAttribute("enrolment.child")
    activity = factory.SelfAttribute("enrolment.activity")
    establishment = factory.SelfAttribute("enrolment.establishment")
    formula = factory.LazyAttribute(
        lambda booking: booking.activity.formulas.first() or FormulaFactory(activity=booking.activity)
    )
    day = date(2026, 11, 16)
    state = BookingState.ACCEPTED
    changed_at = factory.LazyFunction(timezone.now)
    waiting_since = factory.LazyAttribute(
        lambda booking: booking.changed_at if booking.state == BookingState.WAITLISTED else None
    )

    @factory.post_generation
    def places(self: Booking, create: bool, extracted: Any, **kwargs: Any) -> None:
        if not create or self.state not in LIVE:
            return
        where = {"activity": self.activity, "establishment": self.establishment, "day": self.day}
        slots = [
            Slot.objects.get_or_create(**where, part=part, formula=None)[0] for part in self.formula.parts
        ]
        slots += Slot.objects.filter(**where, formula=self.formula)
        for slot in slots:
            Place.objects.create(booking=self, slot=slot, child=self.child)
            if self.state in HOLDING:
                slot.taken += 1
                slot.save(update_fields=["taken"])


class BookingEventFactory(DjangoModelFactory[BookingEvent]):
    class Meta:
        model = BookingEvent

    booking = factory.SubFactory(BookingFactory)
    state = factory.SelfAttribute("booking.state")
    at = factory.SelfAttribute("booking.changed_at")


# Money ------------------------------------------------------------------------------------------------


class InvoiceFactory(DjangoModelFactory[Invoice]):
    """An issued invoice without lines; billing a month makes the real ones."""

    class Meta:
        model = Invoice

    household = factory.SubFactory(HouseholdFactory)
    series = "F"
    year = 2026
    sequence = factory.Sequence(lambda n: n + 900_000)
    number = factory.LazyAttribute(lambda invoice: f"F2026-{invoice.sequence:06d}")
    month = date(2026, 10, 1)
    issued_at = factory.LazyFunction(timezone.now)
    due_on = date(2026, 11, 30)
    payer = "Camille Roux"
    address = "3 rue des Lilas\n01999 Valmirelle-les-Prés"
    issuer = factory.LazyFunction(
        lambda: {
            "name": "Mairie de Valmirelle-les-Prés",
            "service": "Enfance et restauration",
            "address": "1 place de la Mairie\n01999 Valmirelle-les-Prés",
            "collection": "Régie de recettes",
        }
    )
    total = Decimal("12.80")
    line_count = 0


# Canteen ----------------------------------------------------------------------------------------------


class DietFactory(DjangoModelFactory[Diet]):
    class Meta:
        model = Diet
        django_get_or_create = ("name",)

    name = "Sans régime particulier"


class DietChoiceFactory(DjangoModelFactory[DietChoice]):
    class Meta:
        model = DietChoice
        django_get_or_create = ("child",)

    child = factory.SubFactory(ChildFactory)
    diet = factory.SubFactory(DietFactory)


class MenuFactory(DjangoModelFactory[Menu]):
    class Meta:
        model = Menu

    restaurant = factory.SubFactory(EstablishmentFactory)
    day = date(2026, 11, 16)


class DishFactory(DjangoModelFactory[Dish]):
    class Meta:
        model = Dish

    menu = factory.SubFactory(MenuFactory)
    course = Dish.Course.MAIN
    name = "Gratin de courge"
    allergens = factory.LazyFunction(lambda: ["milk"])


def weekdays_between(first: date, last: date) -> list[date]:
    """Monday to Friday, both ends included."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5]
