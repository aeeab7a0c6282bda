"""« Réinscrire »: last year's answers of all the children of a household, proposed for the next year.

    found = renewing.propose(household, at=at)      None where no campaign is open; reads only
    renewing.renew(household, found.year, answers, by=user, at=at)

What may not be chosen any more says why. Nothing is written before the family confirms.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from families import diets
from families.custody import homes
from families.diets import Plate
from families.models import Child, Diet, Household, User
from portal.french.dates import short_day
from portal.french.elision import of
from portal.french.grades import Grade, grade_of, in_words, named
from portal.reservations.acts import enrolling, going_up, tasks
from portal.reservations.acts.conditions import Wish
from portal.reservations.days.campaigns import Campaigns
from portal.reservations.days.limits import Attended, Limits
from portal.reservations.models import Activity, Enrolment, Establishment, SchoolClass, Schooling, SchoolYear
from portal.reservations.models.bookings import EnrolmentQuerySet
from portal.reservations.states import ENROLMENT_LIVE


@dataclass(frozen=True)
class Line:
    """An activity of last year. `refusal` says why it cannot be chosen, `note` what to know; `places` are
    those that may be, `place` the one proposed (None: chosen with each reservation)."""

    before: Enrolment
    places: list[Establishment] = field(default_factory=list)
    place: Establishment | None = None
    refusal: str = ""
    note: str = ""
    already: bool = False

    @property
    def activity(self) -> Activity:
        return self.before.activity

    @property
    def offered(self) -> bool:
        """Whether the family may tick it."""
        return not self.refusal and not self.already


@dataclass(frozen=True)
class Pupil:
    """A child and its next grade, in words. `school` is None where the family has to say it, or where none of
    the town's has that grade (`leaves`); `school_class` where there are several, or none is named yet."""

    child: Child
    grade: str
    school: Establishment | None
    school_class: SchoolClass | None
    leaves: bool
    note: str
    lines: list[Line]
    plate: Plate

    @property
    def offered(self) -> list[Line]:
        return [line for line in self.lines if line.offered]


@dataclass(frozen=True)
class Renewal:
    """What is proposed for `year`; `closes` is the end of the campaign that ends first, if any."""

    year: SchoolYear
    first_day: date
    closes: datetime | None
    pupils: list[Pupil]
    schools: list[Establishment]
    classes: list[SchoolClass]
    diets: list[Diet]

    @property
    def offered(self) -> bool:
        return any(pupil.offered for pupil in self.pupils)


@dataclass(frozen=True)
class Chosen:
    """An activity that is wanted, where (None: chosen with each reservation) and on which usual weekdays."""

    activity: Activity
    place: Establishment | None
    weekdays: int


@dataclass(frozen=True)
class Answer:
    """What the family confirms for a child; without a class, the one it will attend is not known yet."""

    child: Child
    school_class: SchoolClass | None
    diet: Diet | None
    chosen: Sequence[Chosen]


# What is proposed ----------------------------------------------------------------------------------------


def propose(household: Household, *, at: datetime) -> Renewal | None:
    """For the earliest year in whose campaign the household may enrol, and which it has last year's answers
    for; None where there is none. In a fixed number of queries."""
    today = timezone.localdate(at)
    campaigns = Campaigns.load(household, at=at)
    for year in campaigns.years:
        before = SchoolYear.objects.filter(starts_on__lt=year.starts_on).order_by("-starts_on").first()
        if before is None or not campaigns.of_year(year):
            continue
        own = last_year(household, before, today)
        if any(campaigns.in_campaign(one.activity, year) for one in own):
            return _Proposing(household, before, year, campaigns, own).renewal()
    return None


def last_year(household: Household, before: SchoolYear, today: date) -> list[Enrolment]:
    """The enrolments of that year of the children that live in the household, eldest first."""
    rows: EnrolmentQuerySet = Enrolment.objects.of_home(household, today).filter(
        school_year=before, state__in=ENROLMENT_LIVE
    )
    return list(
        rows.select_related("activity", "child__health", "establishment").order_by(
            "child__birth_date", "child", "activity__order", "pk"
        )
    )


class _Proposing:
    """What is read once for all children, and what follows from it."""

    def __init__(
        self,
        household: Household,
        before: SchoolYear,
        year: SchoolYear,
        campaigns: Campaigns,
        own: list[Enrolment],
    ) -> None:
        self.household, self.before, self.year, self.campaigns = household, before, year, campaigns
        self.own = own
        wishes = [Wish(household.pk, one.child_id, one.activity, year.pk) for one in own]
        said = enrolling.stopped(wishes, campaigns.at)
        self.stopped = {one.pk: why for one, why in zip(own, said, strict=True)}
        self.first_day = max(year.starts_on, campaigns.today)
        classes = SchoolClass.objects.filter(school_year__in=(before, year), school__active=True)
        rows = list(classes.select_related("school"))
        self.classes = [one for one in rows if one.school_year_id == year.pk]
        # A school that has not named all its classes yet has those of the year before.
        self.grades: dict[Establishment, set[int]] = defaultdict(set)
        for row in rows:
            low, high = row.grades
            self.grades[row.school] |= set(named(row.name)) or set(range(low, high + 1))
        children = {one.child_id for one in own}
        self.attended: dict[tuple[int, int], SchoolClass] = {
            (one.child_id, one.school_year_id): one.school_class
            for one in Schooling.objects.current()
            .filter(child__in=children, school_year__in=(before, year))
            .select_related("school_class__school")
        }
        self.known = set(
            Enrolment.objects.live()
            .filter(household=household, child__in=children, school_year=year)
            .values_list("child", "activity")
        )
        last_day = Max("periods__ends_on", filter=Q(periods__school_year=year))
        self.plates = diets.plates(children, household)
        activities = Activity.objects.filter(pk__in={one.activity_id for one in own})
        self.last_days: dict[int, date | None] = {}
        self.places: dict[int, list[Establishment]] = {}
        for activity in activities.annotate(last_day=last_day).prefetch_related("establishments__schools"):
            self.last_days[activity.pk] = activity.last_day
            self.places[activity.pk] = [one for one in activity.establishments.all() if one.active]

    def renewal(self) -> Renewal:
        by_child: dict[Child, list[Enrolment]] = defaultdict(list)
        for one in self.own:
            by_child[one.child].append(one)
        found = [self._pupil(child, own) for child, own in by_child.items()]
        ends = [
            campaign.closes_at
            for one in self.own
            if (campaign := self.campaigns.in_campaign(one.activity, self.year)) and campaign.closes_at
        ]
        schools = sorted(self.grades, key=lambda one: one.name)
        cooked = list(Diet.objects.filter(active=True))
        closes = min(ends, default=None)
        return Renewal(self.year, self.first_day, closes, found, schools, self.classes, cooked)

    def _pupil(self, child: Child, own: list[Enrolment]) -> Pupil:
        told = self.attended.get((child.pk, self.year.pk))
        last = self.attended.get((child.pk, self.before.pk))
        if told is not None:
            grade = grade_of(told.name, child.birth_date, self.year.starts_on)
        else:
            grade = going_up.grade_after(last.name if last else "", child.birth_date, self.before.starts_on)
        above = going_up.school_above(grade, last.school if last else None, self.grades)
        leaves = told is None and above.leaves
        school = told.school if told else above.school
        there = [one for one in self.classes if school is not None and one.school_id == school.pk]
        classes = [one for one in there if grade in named(one.name)]
        school_class = told or (classes[0] if len(classes) == 1 else None)
        lines = [self._line(child, one, school, leaves=leaves) for one in own]
        return Pupil(
            child,
            in_words(grade),
            school,
            school_class,
            leaves,
            _moved(child, last, school, grade, leaves=leaves),
            lines,
            self.plates[child.pk],
        )

    def _line(self, child: Child, before: Enrolment, school: Establishment | None, *, leaves: bool) -> Line:
        activity = before.activity
        if (child.pk, activity.pk) in self.known:
            return Line(before, already=True)
        if not activity.active:
            return Line(before, refusal="Cette activité n'est plus proposée.")
        if closed := self.campaigns.closed(activity, self.year) or self.stopped[before.pk]:
            return Line(before, refusal=closed)
        if refusal := self._outside_limits(child, activity):
            return Line(before, refusal=refusal)
        places = self.places[activity.pk]
        if leaves:
            beyond = activity.last_grade is not None and activity.last_grade <= Grade.CM2
            places = [] if beyond else [one for one in places if takes_collegians(one)]
            if not places:
                return Line(before, refusal="N'accueille plus les enfants après le CM2.")
        elif not any(takes(one, school) for one in places):
            where = f" de l'école « {school} »" if school else ""
            return Line(before, refusal=f"Aucun lieu d'accueil pour les élèves{where}.")
        fitting = [one for one in places if leaves or takes(one, school)]
        kept = before.establishment
        if kept is None or kept in fitting:
            return Line(before, places, kept, note=_until_too_old(child, activity, self.year))
        return Line(before, places, fitting[0], note=f"{kept} ne convient plus : {fitting[0]}.")

    def _outside_limits(self, child: Child, activity: Activity) -> str:
        """Why the child is taken on no day of the year, by its age and by the class that is told for it."""
        told = self.attended.get((child.pk, self.year.pk))
        classes = (Attended(date.min, date.max, told.name, told.grades),) if told else ()
        limits, last = Limits(activity, child, classes), self.last_days[activity.pk]
        return enrolling.never_within(limits, self.year, self.first_day, last)


def takes(place: Establishment, school: Establishment | None) -> bool:
    """Whether a place takes the pupils of a school; one that is not known may go anywhere. In the words of
    `enrolling.places_for`, on rows that were read with their schools."""
    if school is None:
        return True
    if place.kind == Establishment.Kind.SCHOOL:
        return place.pk == school.pk
    served = place.schools.all()
    return not served or school in served


def takes_collegians(place: Establishment) -> bool:
    """Who has left the town's schools may still come to a centre that serves no school in particular."""
    return place.kind == Establishment.Kind.CENTRE and not place.schools.all()


def _moved(
    child: Child, last: SchoolClass | None, school: Establishment | None, grade: int, *, leaves: bool
) -> str:
    """What is to be known of the school; empty where it stays the same."""
    if leaves:
        where = f" : {last.school} s'arrête au CM2" if last else ""
        return f"{child.first_name} entre en {in_words(grade) or '6e'}{where}."
    if last is None or school == last.school:
        return ""
    none_there = f"{last.school} n'a pas de {in_words(grade)}"
    if school is None:
        return f"{none_there} : choisissez la nouvelle école {of(child.first_name)}."
    return f"{none_there} : ce sera {school}."


def _until_too_old(child: Child, activity: Activity, year: SchoolYear) -> str:
    """« Jusqu'à ses 13 ans, le 4 mars 2028. » where the age limit falls within the year; empty otherwise."""
    if activity.max_age is None or child.age_on(year.ends_on) <= activity.max_age:
        return ""
    age = activity.max_age + 1
    born = child.birth_date
    leap = (born.month, born.day) == (2, 29)
    birthday = date(born.year + age, 3, 1) if leap else born.replace(year=born.year + age)
    return f"Jusqu'à ses {age} ans, le {short_day(birthday, year=True)}."


# What is confirmed ---------------------------------------------------------------------------------------


@transaction.atomic
def renew(
    household: Household, year: SchoolYear, answers: Iterable[Answer], *, by: User, at: datetime
) -> list[Enrolment]:
    """Enrols for `year` all that was confirmed, or nothing; one letter tells all of it.

    Raises EnrolmentRefused, as `enrolling.request` does.
    """
    today = timezone.localdate(at)
    first_day = max(year.starts_on, today)
    made: list[Enrolment] = []
    wanted = sorted((one for one in answers if one.chosen), key=lambda one: one.child.pk)
    for answer in wanted:
        # All children before the household, as whoever books them does.
        homes.held(answer.child.pk, household.pk)
    for answer in wanted:
        for one in answer.chosen:
            made.append(
                enrolling.request(
                    household=household,
                    child=answer.child,
                    activity=one.activity,
                    establishment=one.place,
                    school_year=year,
                    weekdays=one.weekdays,
                    starts_on=first_day,
                    by=by,
                    at=at,
                    tell=False,
                )
            )
        if answer.school_class is not None:
            enrolling.say_class(answer.child, answer.school_class, today=today)
        if answer.diet is not None:
            diets.say(answer.child, answer.diet, by=household, at=at)
    if made:
        tasks.after_commit(tasks.tell_renewed, [one.pk for one in made])
    return made
