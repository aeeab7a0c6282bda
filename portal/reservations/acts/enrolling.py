"""The only writer of enrolments: ask, change, accept, refuse."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, Max, Model, OuterRef, Q, QuerySet
from django.utils import timezone
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from families.approval import awaited
from families.custody import homes, own
from families.joining import fates
from families.models import Child, Household, User
from portal.french import moments
from portal.french.elision import of
from portal.reservations.acts import overriding, tasks
from portal.reservations.acts.conditions import Unmet, Wish, unmet
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.days import day_rule_book, effects
from portal.reservations.days.campaigns import Campaigns
from portal.reservations.days.limits import Limits
from portal.reservations.models import Activity, Enrolment, Establishment, SchoolClass, Schooling, SchoolYear
from portal.reservations.states import ENROLMENT_LIVE, EnrolmentState, Override
from portal.web.posted import posted_number

# What stops an enrolment before its form is shown; the form asks for the rest.
STOPS_ENROLMENTS = {Override.ARREARS}


class EnrolmentRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


def stopped(wishes: Sequence[Wish], at: datetime) -> list[str]:
    """Why each of these enrolments cannot be asked for now, whatever campaigns say; empty where it can."""
    return [
        next((one.sentence for one in found if one.kind in STOPS_ENROLMENTS), "")
        for found in missing(wishes, at)
    ]


@transaction.atomic
def request(
    *,
    household: Household,
    child: Child,
    activity: Activity,
    establishment: Establishment | None,
    school_year: SchoolYear,
    weekdays: int,
    starts_on: date,
    by: User,
    at: datetime,
    at_desk: bool = False,
    beyond_limits: str = "",
    passing_over: str = "",
    tell: bool = True,
) -> Enrolment:
    """Asks for a yearly right, from `starts_on` or the day on which it can take effect; accepted at once
    where the activity says so, unless the household, or the child in it, still waits for the town hall: then
    with it. Typed `at_desk`, it is accepted from any day, and no campaign is asked; age or class that speak
    against it on every day are passed over for the reason `beyond_limits`, what else has to be there first
    (a paper…) for `passing_over`. Unless told otherwise, a letter says where it stands.

    Raises EnrolmentRefused when enrolments are not open, when the child does not live there, is taken on no
    day, already enrolled, or when something is missing.
    """
    # The child first, as whoever books it does; then the household.
    lives_there = _lives_there(child, household.pk, at)
    if activity.effect and not at_desk:
        starts_on = max(starts_on, effects.first_day(activity, timezone.localdate(at)))
    Household.objects.lock([household.pk])
    household.refresh_from_db(fields=["state", "resident"])
    if household.is_refused:
        raise EnrolmentRefused("La mairie n'a pas validé votre compte famille.")
    if not lives_there:
        raise EnrolmentRefused(homes.gone_sentence(child))
    if at_desk:
        own.check(by, [household.pk], right="reservations.change_enrolment", at=at)
    elif closed := Campaigns.load(household, at=at).closed(activity, school_year):
        raise EnrolmentRefused(closed)
    if not at_desk and (few_or_many := day_rule_book.usual_refused(activity, weekdays)):
        raise EnrolmentRefused(few_or_many)
    refusal = never_taken(child, activity, school_year, starts_on)
    if refusal and not (at_desk and beyond_limits.strip()):
        raise EnrolmentRefused(refusal)
    if refusal:
        _demand_waiver(by, establishment, {Override.LIMITS: beyond_limits})
    wish = Wish(household.pk, child.pk, activity, school_year.pk)
    _check_unmet(wish, by=by, place=establishment, at=at, reason=passing_over if at_desk else "")
    known = Enrolment.objects.live().filter(
        household=household, child=child, activity=activity, school_year=school_year
    )
    finish(known, at=at)
    if known.exists():
        raise EnrolmentRefused(f"{child.first_name} a déjà une inscription : {activity}, {school_year}.")
    accepted = (
        household.is_accepted
        and (at_desk or activity.enrolment_processing == Activity.Processing.AUTOMATIC)
        and not awaited(household.pk, child.pk).exists()
    )
    enrolment = Enrolment.objects.create(
        household=household,
        child=child,
        activity=activity,
        establishment=establishment,
        school_year=school_year,
        weekdays=weekdays,
        starts_on=starts_on,
        state=EnrolmentState.ACCEPTED if accepted else EnrolmentState.REQUESTED,
        decided_at=at if accepted else None,
        decided_by=by if accepted and at_desk else None,
        requested_by=by,
        limits_waived=bool(refusal),
    )
    if tell:
        tasks.after_commit(tasks.tell_enrolment, enrolment.pk)
    return enrolment


def _demand_waiver(by: User, place: Establishment | None, reasons: Mapping[Override, str]) -> None:
    """Raises EnrolmentRefused unless `by` may pass over these there; with no place, anywhere."""
    overrides = Overrides(reasons)
    try:
        for one in [place] if place else Establishment.objects.filter(active=True):
            overriding.demand(overrides, by=by, place=one)
    except BookingRefused as refusal:
        raise EnrolmentRefused(str(refusal)) from refusal


def missing(wishes: Sequence[Wish], at: datetime) -> list[list[Unmet]]:
    """What each of these enrolments waits for."""
    return [[one for one in found if one.is_whole] for found in unmet(wishes, at)]


def _check_unmet(wish: Wish, *, by: User, place: Establishment | None, at: datetime, reason: str) -> None:
    """Raises EnrolmentRefused where something is missing that the town hall does not pass over."""
    (found,) = missing([wish], at)
    if found and not reason.strip():
        raise EnrolmentRefused(" ".join(one.sentence for one in found))
    if found:
        _demand_waiver(by, place, {one.kind: reason for one in found})


@transaction.atomic
def change(
    enrolment: Enrolment,
    *,
    establishment: Establishment | None,
    weekdays: int,
    starts_on: date,
    at: datetime,
) -> Enrolment:
    """Takes over what a family changed. The establishment does here as long as the town hall has not accepted
    the enrolment; afterwards days are booked there, and `moving.py` takes them along.

    Raises EnrolmentRefused for an enrolment that is over, and for a child that lives elsewhere by now.
    """
    if not _lives_there(enrolment.child, enrolment.household_id, at):
        raise EnrolmentRefused(homes.gone_sentence(enrolment.child))
    locked = Enrolment.objects.select_for_update(of=("self",)).select_related("activity")
    enrolment = locked.get(pk=enrolment.pk)
    if enrolment.is_over or enrolment.is_past(timezone.localdate(at)):
        raise EnrolmentRefused(over_sentence(enrolment))
    if enrolment.ends_on is not None and starts_on > enrolment.ends_on:
        raise EnrolmentRefused(f"Cette inscription se termine le {moments.day(enrolment.ends_on)}.")
    if weekdays != enrolment.weekdays and (why := day_rule_book.usual_refused(enrolment.activity, weekdays)):
        raise EnrolmentRefused(why)
    if not enrolment.is_accepted:
        enrolment.establishment = establishment
    _take_effect(enrolment, weekdays, starts_on, timezone.localdate(at))
    enrolment.save()
    return enrolment


def _take_effect(enrolment: Enrolment, weekdays: int, starts_on: date, today: date) -> None:
    """The first day and the usual days of an enrolment, from when its activity lets them count."""
    soonest = effects.first_day(enrolment.activity, today)
    if enrolment.activity.effect and starts_on != enrolment.starts_on:
        starts_on = max(starts_on, min(soonest, enrolment.starts_on))
    enrolment.starts_on = starts_on
    enrolment.next_weekdays = enrolment.next_weekdays_on = None
    if weekdays == enrolment.weekdays or not enrolment.is_accepted or soonest <= max(starts_on, today):
        enrolment.weekdays = weekdays
    else:
        enrolment.next_weekdays, enrolment.next_weekdays_on = weekdays, soonest


def go_to(enrolment: Enrolment, place: Establishment | None, *, since: date, today: date) -> None:
    """The enrolment's place from a day on; called with the child held. Raises EnrolmentRefused where another
    change is due before that day: it would be forgotten."""
    if enrolment.moves_on is not None and today < enrolment.moves_on < since:
        who, then = enrolment.child.first_name, moments.day(enrolment.moves_on)
        raise EnrolmentRefused(
            f"{who} change déjà d'établissement le {then} : choisissez ce jour-là ou un jour d'avant."
        )
    if enrolment.has_moved_on(today):
        enrolment.establishment_id = enrolment.moves_to_id
    enrolment.moves_to, enrolment.moves_on = None, None
    if since <= today:
        enrolment.establishment = place
    elif (place.pk if place else None) != enrolment.establishment_id:
        enrolment.moves_to, enrolment.moves_on = place, since
    # What a family or a night writes of it meanwhile stays.
    enrolment.save(update_fields=["establishment", "moves_to", "moves_on"])


@transaction.atomic
def settle_weekdays(*, at: datetime) -> int:
    """Enrolments whose day of changing their usual days has come have them now; returns how many."""
    due = Enrolment.objects.select_for_update(of=("self",)).filter(
        next_weekdays_on__lte=timezone.localdate(at)
    )
    changed = 0
    for one in due.order_by("pk"):
        if one.next_weekdays is not None:
            one.weekdays = one.next_weekdays
        one.next_weekdays = one.next_weekdays_on = None
        one.save()
        changed += 1
    return changed


@transaction.atomic
def settle(*, at: datetime) -> int:
    """Enrolments whose day of changing place has come are there now; returns how many."""
    due = Enrolment.objects.select_for_update(of=("self",)).filter(moves_on__lte=timezone.localdate(at))
    moved = 0
    for one in due.order_by("pk"):
        one.establishment_id, one.moves_to_id, one.moves_on = one.moves_to_id, None, None
        one.save()
        moved += 1
    return moved


def _lives_there(child: Child, household_id: int, at: datetime) -> bool:
    custody = homes.held(child.pk, household_id)
    return custody is not None and custody.holds_on(timezone.localdate(at))


def over_sentence(enrolment: Enrolment) -> str:
    """What a family reads that changes an enrolment refused or ended."""
    over = EnrolmentState(enrolment.state) if enrolment.is_over else EnrolmentState.ENDED
    return f"Cette inscription est {over.label.lower()} : elle ne change plus. Faites une nouvelle demande."


@transaction.atomic
def accept(
    enrolment: Enrolment, *, by: User, at: datetime, beyond_limits: bool = False, passing_over: str = ""
) -> bool:
    """Grants an enrolment that waits, of a household that is accepted; returns whether it did. Tells it.

    `beyond_limits`: the town hall knows that age or class speak against it, and lets the child come all the
    same. Raises EnrolmentRefused where a paper it waits for is missing, unless that is passed over for the
    reason `passing_over`.
    """
    if enrolment.state == EnrolmentState.REQUESTED:
        place = enrolment.establishment
        _check_unmet(Wish.of(enrolment, ()), by=by, place=place, at=at, reason=passing_over)
    return _decide(enrolment, EnrolmentState.ACCEPTED, "", by, at, beyond_limits=beyond_limits)


@transaction.atomic
def refuse(enrolment: Enrolment, *, reason: str, by: User, at: datetime) -> bool:
    """Refuses an enrolment that waits; returns whether it did. Raises EnrolmentRefused without a reason."""
    if not reason.strip():
        raise EnrolmentRefused("Indiquez le motif du refus : la famille le lira.")
    return _decide(enrolment, EnrolmentState.REFUSED, reason.strip(), by, at)


def of_child(child_id: int, household_id: int, today: date) -> QuerySet[Enrolment]:
    """The live enrolments of a child by a household that are not over, nor their year."""
    live = Enrolment.objects.live().exclude(ends_on__lt=today)
    return live.filter(
        child=child_id, household=household_id, school_year__in=SchoolYear.objects.serving(today)
    )


@transaction.atomic
def end(enrolments: QuerySet[Enrolment], *, by: User | None, at: datetime) -> int:
    """Ends live enrolments with the day of `at`; what was booked with them stays. Returns how many."""
    ended = 0
    for one in enrolments.select_for_update(of=("self",)).order_by("pk"):
        if one.is_over:
            continue
        _end(one, by, at)
        ended += 1
    return ended


@transaction.atomic
def hand_over(
    child_id: int, giver: int, taker: Household, *, starts_on: date, by: User, at: datetime
) -> dict[int, Enrolment]:
    """The live enrolments of a child go from one of its households to another, which keeps its own, from the
    day `starts_on` (today or to come) on; returns the taker's by the giver's key. Called with the custody
    held."""
    found: dict[int, Enrolment] = {}
    theirs = {
        (one.activity_id, one.school_year_id): one
        for one in of_child(child_id, taker.pk, timezone.localdate(at)).select_for_update(of=("self",))
    }
    for given in (
        of_child(child_id, giver, timezone.localdate(at)).select_for_update(of=("self",)).order_by("pk")
    ):
        kept = theirs.get((given.activity_id, given.school_year_id))
        if kept is None:
            kept = Enrolment(
                household=taker,
                child_id=child_id,
                activity_id=given.activity_id,
                establishment_id=given.establishment_id,
                moves_to_id=given.moves_to_id,
                moves_on=given.moves_on,
                school_year_id=given.school_year_id,
                weekdays=given.weekdays,
                next_weekdays=given.next_weekdays,
                next_weekdays_on=given.next_weekdays_on,
                starts_on=max(given.starts_on, starts_on),
                ends_on=given.ends_on,
                end_reason=given.end_reason,
                limits_waived=given.limits_waived,
                requested_by=by,
                state=EnrolmentState.REQUESTED,
            )
        if given.is_accepted and not kept.is_accepted:
            kept.state, kept.decided_by, kept.decided_at = EnrolmentState.ACCEPTED, by, at
        kept.save()
        if starts_on > timezone.localdate(at):
            # The giver has it until the eve; the night after ends it.
            eve = starts_on - timedelta(days=1)
            given.ends_on = min(given.ends_on or eve, eve)
            given.ended_by, given.ended_at = by, at
            given.save()
        else:
            _end(given, by, at)
        found[given.pk] = kept
    return found


@transaction.atomic
def join(
    children: Mapping[int, int], kept: Household, emptied: int, *, by: User, at: datetime
) -> dict[int, int]:
    """The enrolments of a household are another's from now on, and of children typed twice (`children`: by
    the key of the double, the child) the one child's. Returns the kept enrolment (key) by that which it
    replaces: of two for the same activity and year one stays, accepted where either was. Called with both
    held."""
    rows = Enrolment.objects.select_for_update(of=("self",)).order_by("pk")
    theirs = list(rows.filter(Q(household=emptied) | Q(child__in=children)))
    named = {children.get(one.child_id, one.child_id) for one in theirs}
    ours = {
        (one.child_id, one.activity_id, one.school_year_id): one
        for one in rows.filter(household=kept, child__in=named).live()
    }
    replaced: dict[int, int] = {}
    for one in theirs:
        one.child_id, one.household = children.get(one.child_id, one.child_id), kept
        same = ours.get((one.child_id, one.activity_id, one.school_year_id))
        if one.is_over or same is None:
            if not one.is_over:
                ours[one.child_id, one.activity_id, one.school_year_id] = one
            continue
        if one.is_accepted and not same.is_accepted:
            same.state, same.decided_by, same.decided_at = EnrolmentState.ACCEPTED, by, at
        same.starts_on = min(same.starts_on, one.starts_on)
        same.ends_on = max(same.ends_on, one.ends_on) if same.ends_on and one.ends_on else None
        same.limits_waived = same.limits_waived or one.limits_waived
        one.state, one.decided_by, one.decided_at = EnrolmentState.ENDED, by, at
        one.ends_on = min(one.ends_on or timezone.localdate(at), timezone.localdate(at))
        replaced[one.pk] = same.pk
    changed = [*theirs, *(one for one in ours.values() if one.pk in set(replaced.values()))]
    fields = [
        "household",
        "child",
        "state",
        "starts_on",
        "ends_on",
        "limits_waived",
        "decided_by",
        "decided_at",
    ]
    bulk_update_with_history(changed, Enrolment, fields, default_user=by)
    return replaced


def join_schoolings(children: Mapping[int, int]) -> None:
    """The classes of a child typed twice are the child's, but of years in which it has one already."""
    fates.rename_new(Schooling.objects.all(), "child", children, ("school_year",))
    Schooling.objects.filter(child__in=children).delete()


def _end(enrolment: Enrolment, by: User | None, at: datetime) -> None:
    enrolment.state, enrolment.decided_by, enrolment.decided_at = EnrolmentState.ENDED, by, at
    today = timezone.localdate(at)
    enrolment.ends_on = min(enrolment.ends_on or today, today)
    enrolment.save()


@transaction.atomic
def finish(enrolments: QuerySet[Enrolment], *, at: datetime) -> int:
    """Ends those whose last day, said beforehand, has gone by; returns how many."""
    past = enrolments.filter(ends_on__lt=timezone.localdate(at), state=EnrolmentState.ACCEPTED)
    found = list(past.select_for_update(of=("self",)).order_by("pk"))
    for one in found:
        one.state = EnrolmentState.ENDED
        one.save()
    return len(found)


def sent_before(user: User, child: Child, service: str, number: str) -> Enrolment | None:
    """An enrolment of the child that is over, which its family corrects and sends again; `number` is whatever
    the address says."""
    key = posted_number(number)
    if key is None:
        return None
    theirs = Enrolment.objects.visible_to(user).exclude(state__in=ENROLMENT_LIVE)
    return theirs.filter(pk=key, child=child, activity__service=service).select_related("activity").first()


def not_yet_sentence(household: Household, to_what: str) -> str:
    """Why a family cannot enrol yet. `to_what` is « à la restauration scolaire »…"""
    if household.is_refused:
        return "La mairie n'a pas validé votre compte famille : vous ne pouvez pas inscrire vos enfants."
    return f"Les inscriptions {to_what} ne sont pas encore ouvertes."


@transaction.atomic
def attend(
    child: Child, school_class: SchoolClass, *, since: date | None = None, known_on: date | None = None
) -> None:
    """Writes the class a child attends in the class's year: from `since` on, also where it was to attend it
    later only, the days before keep theirs; without `since`, or not after the year's first day, the class is
    another one from the start (the first one told, or a correction). `known_on`: when the town hall learnt
    it."""
    year = school_class.school_year
    known = Schooling.objects.filter(child=child, school_year=year).select_for_update()
    now = known.current().first()
    if now is None:
        Schooling.objects.create(child=child, school_class=school_class, school_year=year)
        return
    if now.school_class_id == school_class.pk and (since is None or _since(now) <= since):
        return
    if since is not None and since <= year.starts_on:
        since = None
    if since is None:
        known.exclude(pk=now.pk).delete()
        now.starts_on = None
    elif now.starts_on is None or now.starts_on < since:
        now.ends_on = since - timedelta(days=1)
        now.save()
        now = Schooling(child=child, school_year=year, starts_on=since)
    else:
        # What was to begin on that day or later never does.
        known.filter(starts_on__gte=since).exclude(pk=now.pk).delete()
        known.filter(ends_on__gte=since).update(ends_on=since - timedelta(days=1))
        now.starts_on = since
    now.school_class = school_class
    now.known_on = None if since is None else known_on
    now.save()


def attend_many(classes: Mapping[int, SchoolClass], year: SchoolYear) -> dict[int, int]:
    """Writes the first class of many children (keys) in a year, from its first day on; who has one already
    keeps it. Returns the keys of what was written, by child; in two statements a thousand children. Call in
    a transaction."""
    known = set(Schooling.objects.filter(school_year=year).values_list("child", flat=True))
    made = attend_first((child, there) for child, there in classes.items() if child not in known)
    return {one.child_id: one.pk for one in made}


def attend_first(who: Iterable[tuple[int, SchoolClass]], *, known_on: date | None = None) -> list[Schooling]:
    """The classes of children (keys) of whom none was known in that year; the rows. One query a thousand."""
    rows = [
        Schooling(child_id=child, school_class=one, school_year_id=one.school_year_id, known_on=known_on)
        for child, one in who
    ]
    return Schooling.objects.bulk_create(rows, batch_size=1000)


def enrol_many(rows: Sequence[Enrolment], *, by: User, at: datetime, why: str) -> list[Enrolment]:
    """Enrolments that the town hall brings in a file: accepted, and told to nobody. None of the children has
    one there; `why` stands in their history. Within a transaction."""
    for row in rows:
        row.state, row.decided_by, row.decided_at, row.requested_by = EnrolmentState.ACCEPTED, by, at, by
    if rows:
        bulk_create_with_history(
            rows, Enrolment, batch_size=500, default_user=by, default_change_reason=why, default_date=at
        )
    return list(rows)


def say_weekdays(rows: Sequence[Enrolment], *, by: User, at: datetime, why: str) -> None:
    """The usual days of enrolments, as each row holds them now."""
    if rows:
        bulk_update_with_history(
            rows,
            Enrolment,
            ["weekdays"],
            batch_size=500,
            default_user=by,
            default_change_reason=why,
            default_date=at,
        )


def _since(known: Schooling) -> date:
    return known.starts_on or date.min


def say_class(child: Child, school_class: SchoolClass, *, today: date) -> None:
    """A form of enrolment says the class without a day: what is known already, also for later, is no news."""
    known = Schooling.objects.current().filter(child=child, school_year=school_class.school_year_id)
    if not known.filter(school_class=school_class).exists():
        attend(child, school_class, since=today)


def prepared_sentence(child: Child) -> str:
    """What a family reads that enrols a child before the town hall has answered."""
    return (
        f"L'inscription {of(child.first_name)} est prête : la mairie la recevra quand elle aura validé votre "
        "foyer."
    )


def never_taken(child: Child, activity: Activity, school_year: SchoolYear, starts_on: date) -> str:
    """Why the child is taken on none of the year's days from `starts_on` on, by age and class, in a sentence;
    nothing where some day can be booked. The year lasts as long as the periods of the activity in it."""
    if not activity.is_limited:
        return ""
    last = activity.periods.filter(school_year=school_year).aggregate(last=Max("ends_on"))["last"]
    return never_within(Limits.of(activity, child, school_year.pk), school_year, starts_on, last)


def never_within(limits: Limits, school_year: SchoolYear, starts_on: date, last: date | None) -> str:
    """As `never_taken`, of limits that are read already; `last` is the last day of the year's periods."""
    return limits.refusal(starts_on, max(school_year.ends_on, last or starts_on, starts_on))


def places_for(activity: Activity, child: Child, school_year: SchoolYear) -> list[Establishment]:
    """Where the child can go: the activity's establishments in service that take its school, in one query.

    A school takes its own pupils; a child whose school is not known may go anywhere.
    """
    known = Schooling.objects.current().filter(child=child, school_year=school_year)
    school = known.values("school_class__school")
    is_school = Q(kind=Establishment.Kind.SCHOOL)
    takes = (is_school & Q(pk__in=school)) | (~is_school & (Q(schools=None) | Q(schools__in=school)))
    return list(activity.establishments.filter(~Exists(known) | takes, active=True).distinct())


def serves(establishment: Establishment, enrolment: Enrolment) -> bool:
    """Whether the child of an enrolment may go there. Where it is enrolled, or will be, it may."""
    if establishment.pk in (enrolment.establishment_id, enrolment.moves_to_id):
        return True
    return establishment in places_for(enrolment.activity, enrolment.child, enrolment.school_year)


def health_file_sentence(enrolment: Enrolment) -> str:
    """What the family reads then."""
    return (
        f"La fiche sanitaire {of(enrolment.child.first_name)} manque : remplissez-la avant de réserver "
        f"({enrolment.activity})."
    )


def _decide(
    enrolment: Enrolment,
    state: EnrolmentState,
    reason: str,
    by: User,
    at: datetime,
    *,
    beyond_limits: bool = False,
) -> bool:
    own.check(by, [enrolment.household_id], right="reservations.change_enrolment", at=at)
    locked = Enrolment.objects.select_for_update(of=("self",)).get(pk=enrolment.pk)
    if locked.state != EnrolmentState.REQUESTED:
        return False
    if state == EnrolmentState.ACCEPTED and (
        not locked.household.is_accepted or awaited(locked.household_id, locked.child_id).exists()
    ):
        return False
    locked.state = state
    locked.limits_waived = locked.limits_waived or beyond_limits
    locked.refusal_reason = reason
    locked.decided_by = by
    locked.decided_at = at
    locked.save()
    tasks.after_commit(tasks.tell_enrolment, locked.pk)
    return True


class Prepared:
    """Enrolments asked for before the town hall has opened the household, or accepted one more child of it;
    lent to `families.approval`."""

    models: tuple[type[Model], ...] = (Enrolment, Schooling)

    def only_prepared(self, child: Child) -> bool:
        return not Enrolment.objects.filter(child=child).exclude(state=EnrolmentState.REQUESTED).exists()

    def carry(self, copy: Child, known: Child, household: int) -> None:
        theirs = Enrolment.objects.live().filter(household=household, child=known)
        taken = set(theirs.values_list("activity_id", "school_year_id"))
        for one in Enrolment.objects.filter(household=household, child=copy):
            if (one.activity_id, one.school_year_id) not in taken:
                one.child = known
                one.save()
        attended = Schooling.objects.filter(child=known, school_year=OuterRef("school_year"))
        Schooling.objects.filter(~Exists(attended), child=copy).update(child=known)

    def accepted(self, household: Household, at: datetime, *, child: Child | None = None) -> None:
        automatic = Activity.Processing.AUTOMATIC
        waiting = Enrolment.objects.filter(household=household, state=EnrolmentState.REQUESTED)
        if child is not None:
            waiting = waiting.filter(child=child)
        for one in waiting.filter(activity__enrolment_processing=automatic).order_by("pk"):
            one.state, one.decided_at = EnrolmentState.ACCEPTED, at
            one.save()
            tasks.after_commit(tasks.tell_enrolment, one.pk)

    def sent_again(self, household: Household) -> None:
        refused_with = Enrolment.objects.filter(
            household=household, state=EnrolmentState.ENDED, decided_at=household.decided_at
        )
        for one in refused_with.order_by("pk"):
            one.state, one.decided_at, one.decided_by = EnrolmentState.REQUESTED, None, None
            one.ends_on = None
            one.save()

    def refused(self, household: Household, by: User, at: datetime) -> None:
        end(Enrolment.objects.filter(household=household, state=EnrolmentState.REQUESTED), by=by, at=at)
