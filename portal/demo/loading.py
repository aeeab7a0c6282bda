"""The demo town, from an empty database: its file, its families, their canteen, around a given day."""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random

import factory.random
import holidays
from django.contrib.auth.hashers import make_password
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Case, F, Q, When
from django.utils import timezone

from families.models import Household, User
from portal.demo import (
    access,
    adults,
    arrears,
    camp,
    cards,
    fees,
    funds,
    imports,
    late_evenings,
    lots,
    messages,
    moves,
    oversights,
    papers,
    past_years,
    publics,
    statuses,
    texts,
    threads,
    two_homes,
)
from portal.demo.canteen import AHEAD, Canteen, Promised
from portal.demo.factories import PASSWORD
from portal.demo.last_year import bill_last_november
from portal.demo.leisure import Leisure
from portal.demo.menus import write_menus
from portal.demo.money import (
    answer_invoices,
    bill_past_months,
    close_the_books,
    hand_over_takings,
    put_right,
    somebody_is_owed,
    somebody_moved,
    somebody_paid_too_much,
)
from portal.demo.people import LAST_LEVEL, People, settle
from portal.models import Town
from portal.reservations.acts.closing import Closing
from portal.reservations.acts.opening import open_slots
from portal.reservations.days.calendars import OpenDays
from portal.reservations.days.offer import Offer
from portal.reservations.models import (
    Activity,
    Audience,
    Booking,
    Campaign,
    Capacity,
    Closure,
    Establishment,
    Period,
    PublicHoliday,
    SchoolClass,
    SchoolHoliday,
    Schooling,
    SchoolYear,
)
from portal.reservations.towns import town_file

HERE = Path(__file__).resolve().parent
SEED = "Valmirelle-les-Prés"
# The file's capacities are those of a town of so many households.
USUAL_SIZE = 300
PUPILS_A_CLASS = 26
# How far back bookings go; half in a big town, which has enough of them.
PAST = timedelta(days=80)
BIG_TOWN = 2000
MENUS_SINCE = timedelta(days=21)
MENUS_UNTIL = timedelta(days=28)
LEVELS = ("Petite section", "Moyenne section", "Grande section", "CP", "CE1", "CE2", "CM1", "CM2")
A_MONTH, TEN_MINUTES = timedelta(days=30), timedelta(minutes=10)
YEAR_OF_WEEKS = timedelta(weeks=52)
A_DAY = timedelta(days=1)


class NotEmpty(Exception):
    """The database already has households: the demo never mixes with them."""


@dataclass(frozen=True)
class Demo:
    """What was made, to be told to whoever tries it."""

    households: int
    children: int
    bookings: int
    promised: Promised


@transaction.atomic
def load(
    households: int,
    *,
    at: datetime,
    past: timedelta | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Demo:
    """Builds the demo town of `households` homes (at least 10) around the moment `at` (aware).

    The same people come every time; dates follow `at`, and bookings begin `past` before it. `tick` is called
    about twice a home, for a progress bar. Raises NotEmpty.
    """
    if Household.objects.exists():
        raise NotEmpty
    today = timezone.localdate(at)
    since = today - (past or (PAST if households <= BIG_TOWN else PAST / 2))
    rng = Random(SEED)  # noqa: S311 the same town every time
    factory.random.reseed_random(SEED)
    town_file.load((HERE / "town.yaml").read_text(encoding="utf-8"), at=at)
    # A demo is there to be walked into, whoever made a Responsable before it.
    Town.objects.update(is_open=True)
    draw_crest()
    extend_calendar(today + AHEAD)
    open_campaign(at)
    grow(households)
    years = list(
        SchoolYear.objects.filter(ends_on__gte=since, starts_on__lte=today + AHEAD).order_by("starts_on")
    )
    # In summer, the year to come.
    current = SchoolYear.objects.filter(ends_on__gte=today).order_by("starts_on")[0]
    close_some_days(today)
    open_periods(since, today + AHEAD)
    password = make_password(PASSWORD)
    people = settle(
        households,
        rng=rng,
        at=at,
        year_of_entry=current.starts_on.year,
        password=password,
        schools=["tilleuls", "fontaine", "moulin-vert"],
        tick=tick,
    )
    texts.accept(people, at)
    activity = Activity.objects.get(code="restauration-scolaire")
    promised = None
    for year in years:
        classes = fill_classes(people, year, year.starts_on.year - current.starts_on.year)
        canteen = Canteen(
            year=year, activity=activity, people=people, classes=classes, rng=rng, at=at, since=since
        )
        if year == current:
            take_a_class_out(today, canteen)
        canteen.enrol()
        if promised is None and year.ends_on > today and canteen.promise():
            promised = canteen.promised
            canteen.leave_a_late_day()
        canteen.fill(tick)
        canteen.close()
    Leisure(people=people, since=since, until=today + AHEAD, rng=Random(SEED), at=at).live()  # noqa: S311
    camp.pitch(people, at)
    papers.give(people, Random(SEED), at)  # noqa: S311
    texts.leave_some_to_read(people, at)
    close_just_now(activity, people.agent, at)
    cook(activity, today, rng)
    if households <= BIG_TOWN:
        bill_past_months(since, at, people, rng)
        bill_last_november(at)
        somebody_moved(at, people)
        somebody_paid_too_much(at, people)
        answer_invoices(at, people)
        put_right(at, people)
        somebody_is_owed(at, people)
        arrears.decide(at, people)
        hand_over_takings(at, people)
        close_the_books(at, people)
        fees.ask(people, at)
        adults.come(people, at)
    access.ask(people, at)
    two_homes.share(people, at)
    two_homes.type_one_twice(people, at)
    access.join(people, at)
    moves.ask(people, at)
    lots.cancel(people, at)
    past_years.count(at)
    threads.write(people, at)
    threads.tell(at)
    messages.write(people, at)
    funds.agree(people, at)
    funds.expect(people, at)
    imports.bring(people, at)
    late_evenings.collected_late(at, people)
    oversights.forget(at, people)
    statuses.recognise(people, at)
    cards.sell(people, at)
    publics.make(people, at)
    if promised is None:
        raise ValueError("No coming day of the canteen is open to reservation.")
    return Demo(
        households, sum(len(home.pupils) for home in people.homes) - 1, Booking.objects.count(), promised
    )


def draw_crest() -> None:
    town = Town.objects.get()
    town.crest.save("blason.svg", ContentFile((HERE / "crest.svg").read_bytes()), save=False)
    town.save()


def extend_calendar(until: date) -> None:
    """School years and holidays past those the file knows: the last ones again, 52 weeks later."""
    while (last := SchoolYear.objects.order_by("starts_on").last()) and last.ends_on < until:
        first_year = last.starts_on.year + 1
        year = SchoolYear.objects.create(
            name=f"{first_year}-{first_year + 1}",
            starts_on=last.starts_on + YEAR_OF_WEEKS,
            ends_on=last.ends_on + YEAR_OF_WEEKS,
        )
        for holiday in SchoolHoliday.objects.filter(
            ends_on__gte=last.starts_on, starts_on__lt=year.starts_on
        ):
            SchoolHoliday.objects.get_or_create(
                zone=holiday.zone,
                starts_on=holiday.starts_on + YEAR_OF_WEEKS,
                defaults={"name": holiday.name, "ends_on": holiday.ends_on + YEAR_OF_WEEKS},
            )
        for day, name in holidays.country_holidays(
            "FR", years=(first_year, first_year + 1), language="fr"
        ).items():
            PublicHoliday.objects.get_or_create(day=day, defaults={"name": name})
        for period in Period.objects.filter(school_year=last).prefetch_related("establishments"):
            Period.objects.create(
                activity=period.activity,
                school_year=year,
                code=f"{period.code}-{year.name}"[-60:],
                name=period.name.replace(last.name, year.name),
                starts_on=period.starts_on + YEAR_OF_WEEKS,
                ends_on=period.ends_on + YEAR_OF_WEEKS,
                opens_at=period.opens_at and period.opens_at + YEAR_OF_WEEKS,
            )


def open_campaign(at: datetime) -> None:
    """Families enrol for the first year that the demo has not filled; those from elsewhere from next week."""
    today = timezone.localdate(at)
    to_come = SchoolYear.objects.filter(starts_on__gt=today + AHEAD).order_by("starts_on")
    while not to_come.exists():
        extend_calendar(SchoolYear.objects.latest("starts_on").ends_on + A_DAY)
    opens = timezone.make_aware(datetime.combine(today, time(8)))
    for audience, days in ((None, -10), (Audience.objects.get(code="hors-commune"), 7)):
        Campaign.objects.create(
            school_year=to_come[0],
            audience=audience,
            opens_at=opens + timedelta(days=days),
            closes_at=opens + timedelta(days=45, hours=10),
        )


def grow(households: int) -> None:
    """A bigger town has bigger restaurants."""
    times = max(1, math.ceil(households / USUAL_SIZE))
    Capacity.objects.update(places=F("places") * times)


def close_some_days(today: date) -> None:
    """A strike two weeks ago, works in three weeks: on the nearest Tuesday and Friday."""
    strike = today - timedelta(days=14 + (today.weekday() - 1) % 7)
    works = today + timedelta(days=21 + (4 - today.weekday()) % 7)
    moulin = Establishment.objects.get(code="moulin")
    Closure.objects.create(
        starts_on=strike,
        ends_on=strike,
        establishment=moulin,
        why=Closure.Why.STRIKE,
        label="Grève nationale",
    )
    Closure.objects.create(
        starts_on=works,
        ends_on=works,
        establishment=moulin,
        why=Closure.Why.WORKS,
        label="Travaux en cuisine",
    )


def close_just_now(activity: Activity, agent: User, at: datetime) -> None:
    """Ten minutes ago somebody closed a restaurant for a day, in a month: perhaps by mistake. « Rouvrir » is
    offered at the top of the desk."""
    today = timezone.localdate(at)
    booked = Booking.objects.live().filter(activity=activity, day__gt=today + A_MONTH)
    # Where the restaurant of the works has somebody, that one: those of `parent` eat elsewhere.
    first = booked.order_by(Case(When(establishment__code="moulin", then=0), default=1), "day").first()
    if first is None:  # in summer nobody has booked so far ahead yet
        return
    before = Offer.read(today)
    Closure.objects.create(
        starts_on=first.day,
        ends_on=first.day,
        establishment=first.establishment,
        label="Coupure d'eau dans le quartier",
    )
    Closing.between(before, Offer.read(today), today).close(by=agent, at=at - TEN_MINUTES)


def open_periods(first: date, last: date) -> None:
    """The slots of every period that has days from `first` to `last`, from its own first day on; of the
    canteen's all those of the year: one reserves for June in autumn."""
    near = Period.objects.filter(
        Q(ends_on__gte=first, starts_on__lte=last)
        | Q(
            activity__code="restauration-scolaire",
            school_year__ends_on__gte=first,
            school_year__starts_on__lte=last,
        )
    )
    for period in near.select_related("activity"):
        start = datetime.combine(
            period.starts_on, datetime.min.time(), tzinfo=timezone.get_current_timezone()
        )
        open_slots(period, at=start)


def fill_classes(people: People, year: SchoolYear, shift: int) -> dict[int, SchoolClass]:
    """Puts each child into a class of its school: child -> class. `shift`: years from the current one."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for home in people.homes:
        for pupil in home.pupils:
            if pupil.homes[0] is home and 0 <= pupil.level + shift <= LAST_LEVEL:
                groups[pupil.school, pupil.level + shift].append(pupil.child.pk)
    schools = Establishment.objects.in_bulk(field_name="code")
    classes: dict[int, SchoolClass] = {}
    for (school, level), children in sorted(groups.items()):
        number = math.ceil(len(children) / PUPILS_A_CLASS)
        rooms = [
            SchoolClass(
                school=schools[school],
                school_year=year,
                name=f"{LEVELS[level]} {room + 1}" if number > 1 else LEVELS[level],
                level=SchoolClass.Level.MATERNELLE if level < 3 else SchoolClass.Level.ELEMENTAIRE,
            )
            for room in range(number)
        ]
        for room in rooms:
            room.save()
        classes |= {child: rooms[rank % number] for rank, child in enumerate(children)}
    Schooling.objects.bulk_create(
        (
            Schooling(child_id=child, school_class=school_class, school_year=year)
            for child, school_class in classes.items()
        ),
        batch_size=2000,
    )
    return classes


def take_a_class_out(today: date, canteen: Canteen) -> None:
    """A class is on a trip one Tuesday soon: its children do not eat that day."""
    trip = today + timedelta(days=2 + (1 - today.weekday() - 2) % 7)
    mine = {
        canteen.classes[pupil.child.pk].pk
        for home in (canteen.people.parent, canteen.people.neighbour)
        for pupil in home.pupils
        if pupil.child.pk in canteen.classes
    }
    goes = next(each for each in canteen.classes.values() if each.pk not in mine)
    Closure.objects.create(
        starts_on=trip, ends_on=trip, school_class=goes, why=Closure.Why.TRIP, label="Sortie à la ferme"
    )
    canteen.spared[trip] |= {child for child, each in canteen.classes.items() if each.pk == goes.pk}


def cook(activity: Activity, today: date, rng: Random) -> None:
    """Menus of the last weeks and the next."""
    first, last = today - MENUS_SINCE, today + MENUS_UNTIL
    restaurants = list(activity.establishments.all())
    calendars = OpenDays.load_many(activity, restaurants, first, last)
    write_menus(((each, calendars[each.pk].days(first, last)) for each in restaurants), rng)
