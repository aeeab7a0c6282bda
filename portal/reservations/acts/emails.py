"""Letters about enrolments and reservations: what the household asked, day by day, and what became of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.urls import reverse
from django.utils import timezone

from families.emails import addresses
from families.models import Child
from portal.french import moments
from portal.french.amounts import euros
from portal.french.dates import WEEKDAYS, day_number, month_name
from portal.french.plurals import counted
from portal.letters import mailing
from portal.reservations.acts import giving_up
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking, Enrolment, LeftDay, Move, Reservation, ReservationLine
from portal.reservations.states import Action, BookingState, MoveState, Outcome

# What a letter says above days that share an answer.
TITLES = {
    (Action.BOOK, Outcome.ACCEPTED): "Jours réservés",
    (Action.BOOK, Outcome.REQUESTED): "Jours demandés, en attente de la réponse de la mairie",
    (Action.BOOK, Outcome.WAITLISTED): "Jours complets, sur la liste d'attente",
    (Action.BOOK, Outcome.OFFERED): "Place proposée, en attente de votre réponse",
    (Action.BOOK, Outcome.HELD): "Jours gardés pour vous, à payer maintenant",
    (Action.BOOK, Outcome.REFUSED): "Jours refusés",
    (Action.BOOK, Outcome.CANCELLED): "Jours annulés depuis",
    (Action.CANCEL, Outcome.ACCEPTED): "Jours annulés",
    (Action.CANCEL, Outcome.REQUESTED): "Annulations demandées, en attente de la réponse de la mairie",
    (Action.CANCEL, Outcome.REFUSED): "Annulations refusées : ces jours restent réservés",
}


# And above the days of a child that changes place, by where each stands there.
FOLLOWED = {
    BookingState.ACCEPTED: "Jours qui suivent",
    BookingState.CANCEL_REQUESTED: "Jours qui suivent, annulation demandée",
    BookingState.REQUESTED: "Jours demandés qui suivent, en attente de la réponse de la mairie",
    BookingState.WAITLISTED: "Jours sur la liste d'attente du nouveau lieu",
    BookingState.OFFERED: "Place proposée au nouveau lieu, en attente de votre réponse",
}

# What will be billed unless it is refused or cancelled.
DUE = (Outcome.ACCEPTED, Outcome.REQUESTED, Outcome.HELD)
# And above a change: the formula left, the one taken instead.
CHANGES = {
    Outcome.ACCEPTED: "Changé : {} → {}",
    Outcome.REQUESTED: "Changement demandé, en attente de la réponse de la mairie : {} → {}",
    Outcome.REFUSED: "Changement refusé : {} reste réservé, au lieu de {}",
}


@dataclass
class Section:
    """Days under one title, month by month, so that a whole year stays readable."""

    title: str
    reason: str = ""
    days: list[date] = field(default_factory=list)

    @property
    def count(self) -> str:
        """« 12 jours »."""
        return counted(len(self.days), "jour", "jours")

    @property
    def months(self) -> list[str]:
        """« novembre 2026 : lundi 16, jeudi 19 »."""
        return [
            f"{month} : {', '.join(_short(day) for day in days)}"
            for month, days in groupby(self.days, key=month_name)
        ]


def _short(day: date) -> str:
    return f"{WEEKDAYS[day.weekday()]} {day_number(day.day)}"


def _sections(
    lines: list[ReservationLine], surcharges: Mapping[str, Decimal], due: Mapping[Choice, Decimal]
) -> list[Section]:
    """The lines by answer and reason, late ones by what that adds; by formula too where there are several.
    Those of a change are one. Of days given up is said what is `due`."""
    if (change := _change(lines)) is not None:
        return [change]
    several = len({line.formula_id for line in lines}) > 1
    sections: dict[tuple[Action, Outcome, str, str], Section] = {}
    kept: dict[tuple[Action, Outcome, str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        action, outcome = Action(line.action), Outcome(line.outcome)
        title = TITLES.get((action, outcome), outcome.label)
        title += ", hors délai" if line.late else ""
        extra = surcharges.get(_key(line))
        title += f", + {euros(extra)} par jour" if line.late and extra else ""
        title += f" – {line.formula}" if several else ""
        key = (action, outcome, title, line.reason)
        sections.setdefault(key, Section(title, line.reason)).days.append(line.day)
        kept[key] += due.get(Choice(line.formula_id, line.day), Decimal(0))
    for key, amount in kept.items():
        if amount and key[:2] == (Action.CANCEL, Outcome.ACCEPTED):
            sections[key].title += f", {euros(amount)} restant dus sur votre prochaine facture"
    order = list(TITLES)
    return [sections[key] for key in sorted(sections, key=lambda key: (order.index(key[:2]), key[2:]))]


def _change(lines: list[ReservationLine]) -> Section | None:
    """What is said of the two halves of a change; None where these lines are no change, or one half only."""
    left = next((line for line in lines if line.action == Action.CANCEL), None)
    taken = next((line for line in lines if line.action == Action.BOOK), None)
    if left is None or taken is None or not taken.reservation.is_change:
        return None
    words = CHANGES.get(Outcome(taken.outcome))
    if words is None:
        return None
    late = ", hors délai" if taken.late else ""
    return Section(words.format(left.formula, taken.formula) + late, taken.reason, [taken.day])


def _key(line: ReservationLine) -> str:
    """« 12:2026-11-30 »: the formula and day that `amounts` go by."""
    return f"{line.formula_id}:{line.day.isoformat()}"


@dataclass(frozen=True)
class Part:
    """What a letter says of one reservation: its days and, of those to be paid, what they cost (None where it
    is not known) and the surcharge within."""

    reservation: Reservation
    sections: list[Section]
    cancels_only: bool
    cost: Decimal | None = None
    surcharge: Decimal = Decimal(0)

    @property
    def amount(self) -> str:
        """« 24,60 €, dont 1,00 € de supplément hors délai », or nothing."""
        return _amount(self.cost, self.surcharge)

    @property
    def path(self) -> str:
        return reverse("reservations:detail", args=[self.reservation.pk])


def _amount(cost: Decimal | None, surcharge: Decimal) -> str:
    if cost is None:
        return ""
    return euros(cost) + (f", dont {euros(surcharge)} de supplément hors délai" if surcharge else "")


def _part(
    reservation: Reservation, lines: list[ReservationLine], amounts: Mapping[str, list[str]] | None = None
) -> Part:
    prices = {key: (Decimal(price), Decimal(extra)) for key, (price, extra) in (amounts or {}).items()}
    due = [line for line in lines if line.action == Action.BOOK and line.outcome in DUE]
    known = [prices[_key(line)] for line in due if _key(line) in prices]
    given_up = {line.day for line in lines if line.action == Action.CANCEL}
    complete = known and len(known) == len(due)  # half a sum would mislead
    return Part(
        reservation=reservation,
        sections=_sections(
            lines,
            {key: extra for key, (_, extra) in prices.items()},
            giving_up.still_due(reservation, given_up),
        ),
        cancels_only=all(line.action == Action.CANCEL for line in lines),
        cost=sum((price for price, _ in known), Decimal(0)) if complete else None,
        surcharge=sum((extra for _, extra in known), Decimal(0)),
    )


def _by_child(bookings: Iterable[Booking]) -> list[Section]:
    """The bookings of each child and formula."""
    days: dict[tuple[str, str], list[date]] = defaultdict(list)
    for booking in bookings:
        title = f"{booking.child.first_name} – {booking.activity}, {booking.formula}"
        days[title, booking.establishment.name].append(booking.day)
    return [Section(f"{title} ({place})", days=of_child) for (title, place), of_child in days.items()]


def recorded(reservation_ids: list[int], amounts: Mapping[str, Mapping[str, list[str]]]) -> None:
    """Acknowledges reservations recorded together with every line, its state and what the days cost:
    `amounts` are those of `booking.tell_recorded`."""
    letters: dict[tuple[int, tuple[tuple[str, str], ...]], list[Part]] = defaultdict(list)
    for reservation in _with_what_is_told(reservation_ids):
        lines = list(reservation.lines.select_related("formula"))
        to = addresses(reservation.household_id, about=reservation.child_id)
        said = {key: list(each) for key, each in amounts.get(str(reservation.pk), {}).items()}
        letters[reservation.household_id, tuple(to.items())].append(_part(reservation, lines, said))
    for (home, reached), parts in letters.items():
        costs = [part.cost for part in parts if part.cost is not None]
        whole = sum(costs, Decimal(0)) if len(costs) == len(parts) > 1 else None
        mailing.post(
            "reservations/recorded",
            dict(reached),
            {
                "parts": parts,
                "numbers": moments.listing([part.reservation.number for part in parts]),
                "children": moments.listing([part.reservation.child.first_name for part in parts]),
                "cancels_only": all(part.cancels_only for part in parts),
                "is_change": parts[0].reservation.is_change,
                "total": _amount(whole, sum((part.surcharge for part in parts), Decimal(0))),
                "path": parts[0].path if len(parts) == 1 else reverse("home"),
            },
            home=home,
        )


def decided(reservation_id: int, line_ids: list[int]) -> None:
    """Tells what the town hall answered."""
    (reservation,) = _with_what_is_told([reservation_id])
    lines = list(reservation.lines.select_related("formula").filter(pk__in=line_ids))
    part = _part(reservation, lines)
    mailing.post(
        "reservations/decided",
        addresses(reservation.household_id, about=reservation.child_id),
        {
            "reservation": reservation,
            "child": reservation.child,
            "activity": reservation.enrolment.activity,
            "cancels_only": part.cancels_only,
            "sections": part.sections,
            "path": part.path,
        },
    )


def _with_what_is_told(reservation_ids: list[int]) -> list[Reservation]:
    """In the order given, with what letters say of them."""
    found = Reservation.objects.select_related(
        "child", "period", "establishment", "enrolment__activity"
    ).in_bulk(reservation_ids)
    return [found[pk] for pk in reservation_ids if pk in found]


def promoted(household_id: int, booking_ids: list[int]) -> None:
    """Good news for the waiting list."""
    _post_bookings("reservations/promoted", household_id, booking_ids, reason="")


def sure(household_id: int, booking_ids: list[int]) -> None:
    """What opens only with enough children opens."""
    _post_bookings("reservations/sure", household_id, booking_ids, reason="")


@dataclass(frozen=True)
class Offer:
    """A place offered to a child: « Lina : jeudi 26 novembre, Repas (Restaurant…) », until when, and where
    one answers."""

    words: str
    until: str
    path: str


def offered(household_id: int, booking_ids: list[int]) -> None:
    """Places that the family takes or leaves; those answered meanwhile are not told any more."""
    bookings = _living_here(household_id, booking_ids)
    offers = [
        Offer(
            f"{one.child.first_name} : {moments.day(one.day)}, {one.formula} ({one.establishment.name})",
            moments.until(one.offered_until),
            reverse("reservations:place", args=[one.pk]),
        )
        for one in bookings
        if one.offered_until is not None
    ]
    if not offers:
        return
    children = list(dict.fromkeys(one.child.first_name for one in bookings))
    context = {"children": moments.listing(children), "offers": offers}
    mailing.post("reservations/offered", addresses(household_id), context)


def let_go(household_id: int, booking_ids: list[int]) -> None:
    """Places that went to the next family, for want of an answer."""
    _post_bookings("reservations/let_go", household_id, booking_ids, reason="")


def not_paid(household_id: int, booking_ids: list[int]) -> None:
    """Places that were kept to be paid and are given back."""
    _post_bookings("reservations/not_paid", household_id, booking_ids, reason="")


def cancelled(household_id: int, booking_ids: list[int], reason: str) -> None:
    """Days that the town hall cancelled, and why."""
    _post_bookings("reservations/cancelled", household_id, booking_ids, reason=reason)


def put_back(household_id: int, booking_ids: list[int], left_ids: list[int], reason: str = "") -> None:
    """Days that opened again stand as they did before; what stays cancelled is said. Or days that the town
    hall gave back for a reason."""
    _post_bookings("reservations/put_back", household_id, booking_ids, reason=reason, left_ids=left_ids)


def _living_here(household_id: int, booking_ids: list[int]) -> list[Booking]:
    """The bookings of children that live in the household today, child by child."""
    bookings = (
        Booking.objects.filter(pk__in=booking_ids)
        .select_related("child", "formula", "activity", "establishment")
        .order_by("child__first_name", "child", "day", "pk")
    )
    here = {child.pk for child in Child.objects.living_in(household_id, timezone.localdate())}
    return [booking for booking in bookings if booking.child_id in here]


def _post_bookings(
    template: str, household_id: int, booking_ids: list[int], *, reason: str, left_ids: Sequence[int] = ()
) -> None:
    bookings = _living_here(household_id, booking_ids)
    if not bookings:
        return
    children = list(dict.fromkeys(booking.child.first_name for booking in bookings))
    mailing.post(
        template,
        addresses(household_id),
        {
            "children": moments.listing(children),
            "sections": _by_child(bookings),
            "left": _by_child(_living_here(household_id, list(left_ids))) if left_ids else [],
            "reason": reason,
            "path": reverse("home"),
        },
    )


def enrolment(enrolment_id: int) -> None:
    """Where a yearly enrolment stands."""
    found = Enrolment.objects.select_related("child__health", "activity", "establishment", "school_year").get(
        pk=enrolment_id
    )
    mailing.post(
        "reservations/enrolment",
        addresses(found.household_id, about=found.child_id),
        {
            "enrolment": found,
            "child": found.child,
            "activity": found.activity,
            "starts_on": moments.day(found.starts_on, year=True),
            "path": reverse("home"),
        },
    )


def moved(move_id: int, booking_ids: list[int]) -> None:
    """Where a change of school, class or place stands: days that followed, and those that could not, in one
    letter."""
    move = Move.objects.select_related(
        "child", "place", "left_place", "school_class__school", "enrolment__activity"
    ).get(pk=move_id)
    sections = _followed(booking_ids)
    left = LeftDay.objects.filter(move=move).select_related("booking__activity", "booking__formula")
    gone: dict[str, Section] = {}
    for one in left:
        title = f"N'a pas pu suivre : {one.booking.activity}, {one.booking.formula} – {one.why}"
        gone.setdefault(title, Section(title)).days.append(one.booking.day)
    mailing.post(
        "reservations/moved",
        addresses(move.household_id, about=move.child_id),
        {
            "move": move,
            "child": move.child,
            "asked": move.state == MoveState.REQUESTED,
            "refused": move.state == MoveState.REFUSED,
            "since": moments.day(move.since, year=True),
            "sections": [*sections, *gone.values()],
            "left": bool(gone),
            "path": reverse("home"),
        },
    )


def left_days(move_id: int, booking_ids: list[int], reason: str) -> None:
    """What the town hall decided of days that could not follow."""
    move = Move.objects.select_related("child").get(pk=move_id)
    bookings = Booking.objects.filter(pk__in=booking_ids).select_related("child", "formula", "activity")
    mailing.post(
        "reservations/left_days",
        addresses(move.household_id, about=move.child_id),
        {
            "child": move.child,
            "reason": reason,
            "sections": _by_child(bookings.select_related("establishment").order_by("day", "pk"))
            if reason
            else _followed(booking_ids),
            "path": reverse("home"),
        },
    )


def _followed(booking_ids: list[int]) -> list[Section]:
    """Days at their new place, by activity, formula and how they stand there."""
    rows = Booking.objects.filter(pk__in=booking_ids).select_related("formula", "activity", "establishment")
    sections: dict[str, Section] = {}
    for one in rows.order_by("activity", "day", "pk"):
        title = FOLLOWED.get(BookingState(one.state), "Jours annulés depuis")
        title = f"{title} – {one.activity}, {one.formula} ({one.establishment})"
        sections.setdefault(title, Section(title)).days.append(one.day)
    return list(sections.values())


def renewed(enrolment_ids: list[int]) -> None:
    """What a household enrolled its children for at once, a child a paragraph, and where each stands."""
    found = list(
        Enrolment.objects.filter(pk__in=enrolment_ids)
        .select_related("child", "activity", "establishment", "school_year")
        .order_by("child__birth_date", "child", "activity__order", "pk")
    )
    if not found:
        return
    household = found[0].household_id
    here = {child.pk for child in Child.objects.living_in(household, timezone.localdate())}
    by_child: dict[Child, list[Enrolment]] = {}
    for one in found:
        if one.child_id in here:
            by_child.setdefault(one.child, []).append(one)
    if not by_child:
        return
    mailing.post(
        "reservations/renewed",
        addresses(household),
        {
            "year": found[0].school_year,
            "children": moments.listing([child.first_name for child in by_child]),
            "sections": list(by_child.items()),
            "waits": any(not one.is_accepted for one in found),
            "starts_on": moments.day(found[0].starts_on, year=True),
            "path": reverse("home"),
        },
    )


def enrolment_ended(
    enrolment_id: int,
    cancelled: list[int],
    withdrawn: list[int],
    asked: list[int],
    stays: list[tuple[int, str, str]],
) -> None:
    """When and why an enrolment ends, and what becomes of the days after that."""
    told = {*cancelled, *withdrawn, *asked, *(pk for pk, _, _ in stays)}
    rows = list(Booking.objects.filter(pk__in=told).values_list("pk", "day", "activity"))
    days = {pk: day for pk, day, _ in rows}
    # Where the town gives back a part only, what is due stands on the next invoice.
    due = any(giving_up.in_words(activity, day) for pk, day, activity in rows if pk in set(cancelled))
    parts = [
        Section("Jours annulés" if due else "Jours annulés, sans frais", days=_days_of(cancelled, days)),
        Section("Demandes retirées", days=_days_of(withdrawn, days)),
        Section("Annulations demandées, en attente de la réponse de la mairie", days=_days_of(asked, days)),
    ]
    for title, reason in dict.fromkeys((title, reason) for _, title, reason in stays):
        keys = [pk for pk, *said in stays if said == [title, reason]]
        parts.append(Section(title, reason, _days_of(keys, days)))
    _post_end("reservations/enrolment_ended", enrolment_id, {"sections": [one for one in parts if one.days]})


def enrolment_resumed(enrolment_id: int) -> None:
    """An enrolment that was to end goes on."""
    _post_end("reservations/enrolment_resumed", enrolment_id, {})


def _days_of(keys: Iterable[int], days: Mapping[int, date]) -> list[date]:
    return sorted({days[pk] for pk in keys if pk in days})


def _post_end(template: str, enrolment_id: int, more: dict[str, Any]) -> None:
    found = Enrolment.objects.select_related("child", "activity", "school_year").get(pk=enrolment_id)
    mailing.post(
        template,
        addresses(found.household_id, about=found.child_id),
        {
            "enrolment": found,
            "child": found.child,
            "activity": found.activity,
            "last_day": moments.day(found.ends_on, year=True) if found.ends_on else "",
            "path": reverse("home"),
            **more,
        },
    )
