"""What of a year the engine copies to the next: periods with their own deadlines and slots, windows of
deadlines, campaigns. Parts of `next_year.py`, which calls them in its one transaction."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, Q

from families.models import User
from portal import town
from portal.database.trials import trial_rows
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.acts import next_year, opening
from portal.reservations.acts.next_year import Field, Line, Made, Part
from portal.reservations.days.calendars import zones_of
from portal.reservations.days.moved_dates import MovedDates, Span, moment_beside
from portal.reservations.models import (
    ActivityDeadline,
    Campaign,
    Capacity,
    DayRule,
    DeadlineWindow,
    Establishment,
    Period,
    PeriodOpening,
    PublicHoliday,
    Reservation,
    SchoolYear,
    Slot,
    YearTurn,
)
from portal.reservations.models.campaigns import publics

# The moment of an opening to an audience, by its key.
TO_PUBLIC = "public_"
PERIOD, DEADLINE, WINDOW, CAMPAIGN = "period", "deadline", "window", "campaign"
NO_CALENDAR = (
    "Le calendrier de cette année n'a pas encore de vacances scolaires : importez-le d'abord. Sans lui les"
    " dates avancent de 52 semaines, et aucun créneau n'est ouvert."
)
NO_HOLIDAYS = "Aucun jour férié n'est encore connu pour cette année : importez le calendrier."
# Enough for « Vacances d'été » and « Mercredis de septembre à octobre », and for each's number.
CODE = Period._meta.get_field("code").max_length or 60


class Calendars:
    """The dates of a turn by zone of school holidays, each read once."""

    def __init__(self, turn: YearTurn) -> None:
        self.turn, self.usual = turn, town.current().zone
        self._known: dict[str, MovedDates] = {}

    def of(self, zone: str) -> MovedDates:
        if zone not in self._known:
            self._known[zone] = next_year.dates_of(self.turn, zone)
        return self._known[zone]

    def of_activity(self, period: Period) -> MovedDates:
        return self.of(zones_of(period.activity, self.usual)[0])


class Periods(Part):
    key = "periodes"
    title = "Périodes, délais et créneaux"
    intro = (
        "Chaque période de cette année est proposée pour la suivante : celles des vacances suivent les"
        " vacances, les autres gardent leur jour de la semaine. Exemple : « Toussaint 2026 », du 17 octobre"
        " au 1er novembre, devient « Toussaint 2027 », du 23 octobre au 7 novembre. Ses établissements, ses"
        " délais propres et ses places suivent ; ses créneaux s'ouvrent en même temps."
    )
    order = 30
    counted = ("période créée", "périodes créées")

    def warnings(self, turn: YearTurn, *, at: datetime) -> list[str]:
        found = [] if next_year.dates_of(turn).calendar_is_known else [NO_CALENDAR]
        if not PublicHoliday.objects.filter(day__range=(turn.starts_on, turn.ends_on)).exists():
            found.append(NO_HOLIDAYS)
        return found

    def lines(self, turn: YearTurn, *, at: datetime) -> list[Line]:
        calendars = Calendars(turn)
        # Those that the next year has, and those that only bear the code.
        there = defaultdict(list)
        own = Q(school_year__starts_on__gte=turn.starts_on) | Q(starts_on__gte=turn.starts_on)
        for known in Period.objects.filter(own):
            there[known.activity_id].append(known)
        found = []
        for period in _of_year(turn):
            dates = calendars.of_activity(period)
            moved = dates.span(period.starts_on, period.ends_on)
            name = next_year.name_then(turn, period.name)
            fields = [
                Field("name", "Nom", "text", name),
                Field("starts_on", "Premier jour", "day", moved.first),
                Field("ends_on", "Dernier jour", "day", moved.last),
            ]
            for attribute, label in (
                ("opens_at", "Ouvre le"),
                ("opens_at_non_residents", "Ouvre hors commune le"),
                ("closes_at", "Clôt le"),
            ):
                said = getattr(period, attribute)
                if said is not None:
                    value = moment_beside(said, period.starts_on, moved.first)
                    fields.append(Field(attribute, label, "moment", value, required=False))
            for one in _openings(period):
                value = moment_beside(one.opens_at, period.starts_on, moved.first)
                label = f"Ouvre à « {one.audience} » le"
                fields.append(Field(f"{TO_PUBLIC}{one.audience_id}", label, "moment", value, required=False))
            twin = _twin(there[period.activity_id], _code(period, turn), name, moved)
            unknown = dates.unknown(period.starts_on)
            found.append(
                Line(
                    str(period.pk),
                    str(period.activity),
                    period.name,
                    moments.span(period.starts_on, period.ends_on, year=True),
                    fields,
                    chosen=period.activity.active,
                    exists=f"« {twin} » existe déjà" if twin else "",
                    note=f"{unknown} : dates pas encore connues" if unknown else "",
                )
            )
        return found

    def carry_out(
        self, turn: YearTurn, year: SchoolYear, lines: Sequence[Line], made: Made, *, by: User, at: datetime
    ) -> int:
        originals = {str(one.pk): one for one in _of_year(turn)}
        calendars = Calendars(turn)
        terms = _terms(turn, [originals[line.key] for line in lines if line.key in originals])
        deadlines: dict[int, list[ActivityDeadline]] = defaultdict(list)
        for row in ActivityDeadline.objects.filter(period__in=[line.key for line in lines]):
            deadlines[row.period_id or 0].append(row)
        day_rules: dict[int, list[DayRule]] = defaultdict(list)
        for rule in DayRule.objects.filter(period__in=[line.key for line in lines]):
            day_rules[rule.period_id or 0].append(rule)
        taken = set(Period.objects.values_list("activity", "code"))
        copies, rules = [], []
        for line in lines:
            before = originals.get(line.key)
            if before is None:
                continue
            code = _code(before, turn)
            if (before.activity_id, code) in taken:
                # Of another year: the period itself is not there yet.
                code = f"{code[: CODE - 10]}-{turn.starts_on.year}-{before.pk}"[:CODE]
            taken.add((before.activity_id, code))
            period = Period(
                activity=before.activity,
                school_year=year,
                code=code,
                name=line.value("name")[:80],
                starts_on=line.value("starts_on"),
                ends_on=line.value("ends_on"),
            )
            said = {one.name: one.value for one in line.fields if one.kind == "moment"}
            for name, value in said.items():
                if not name.startswith(TO_PUBLIC):
                    setattr(period, name, value)
            period.save()
            for name, value in said.items():
                if name.startswith(TO_PUBLIC) and value is not None:
                    key = int(name.removeprefix(TO_PUBLIC))
                    PeriodOpening(period=period, audience_id=key, opens_at=value).save()
            period.establishments.set(before.establishments.all())
            made.add(PERIOD, period.pk)
            for row in deadlines[before.pk]:
                row.pk, row._state.adding = None, True
                row.period = period
                copies.append(row)
            for rule in day_rules[before.pk]:
                rule.pk, rule._state.adding = None, True
                rule.period = period
                rules.append(rule)
            if calendars.of_activity(period).calendar_is_known:
                opening.open_slots(period, at=at, terms=terms.get(before.pk))
        DayRule.objects.bulk_create(rules)
        rows = ActivityDeadline.objects.bulk_create(copies)
        made.add(DEADLINE, *(one.pk for one in rows))
        return len(lines)

    def stands_on(self, turn: YearTurn, made: Made) -> list[str]:
        periods = made.of(PERIOD)
        asked = Reservation.objects.filter(period__in=periods).count()
        found = []
        if asked:
            what = counted(
                asked,
                "réservation est commencée ou enregistrée",
                "réservations sont commencées ou enregistrées",
            )
            found.append(f"{what} sur les périodes créées.")
        if trial_rows(Reservation).filter(period__in=periods).exists():
            found.append(next_year.TRIED)
        if others := next_year.others_of_the_year(turn, Period, periods):
            what = counted(others, "période a été ajoutée", "périodes ont été ajoutées")
            found.append(f"{what} à {turn.name} sur une autre page.")
        return found

    def take_back(self, turn: YearTurn, made: Made, *, by: User, at: datetime) -> None:
        periods = Period.objects.filter(pk__in=made.of(PERIOD))
        for period in periods.select_related("activity"):
            others = Period.objects.filter(activity=period.activity).exclude(pk__in=made.of(PERIOD))
            slots = Slot.objects.filter(
                activity=period.activity,
                establishment__in=opening.establishments_of(period),
                day__range=(period.starts_on, period.ends_on),
                taken=0,
            )
            for one in others.filter(starts_on__lte=period.ends_on, ends_on__gte=period.starts_on):
                slots = slots.exclude(day__range=(one.starts_on, one.ends_on))
            slots.delete()
        # With their own deadlines, and how many days one takes in them.
        for period in periods:
            period.delete()


def _openings(period: Period) -> list[PeriodOpening]:
    """To audiences of the town; asked only where there are some."""
    if not publics().openings.get(period.pk):
        return []
    return list(period.audience_openings.select_related("audience"))


def _of_year(turn: YearTurn) -> list[Period]:
    rows = Period.objects.filter(school_year=turn.before).select_related("activity")
    return list(
        rows.prefetch_related("establishments").order_by("activity__order", "activity", "starts_on", "pk")
    )


def _code(period: Period, turn: YearTurn) -> str:
    """« toussaint-2027 » of « toussaint-2026 »; where no year is in it, the new year's is added."""
    code = next_year.name_then(turn, period.code)
    return code if code != period.code else f"{period.code[: CODE - 5]}-{turn.starts_on.year}"


def _twin(there: Sequence[Period], code: str, name: str, moved: Span) -> Period | None:
    """The period of the next year that this one would be a second time."""
    for one in there:
        if one.code == code or one.name == name or (one.starts_on, one.ends_on) == (moved.first, moved.last):
            return one
    return None


def _terms(turn: YearTurn, periods: Sequence[Period]) -> dict[int, opening.Terms]:
    """By period, the places that most of its slots have: those of the wizard are nowhere else. None where it
    has no slots: then the usual ones. One query a period."""
    found = {}
    for period in periods:
        rows = (
            Slot.objects.filter(activity=period.activity_id, day__range=(period.starts_on, period.ends_on))
            .order_by()
            .values_list("establishment", "part", "formula", "capacity", "closed")
            .annotate(days=Count("pk"))
        )
        shared: dict[tuple[int, str, int | None], Counter[int | None]] = defaultdict(Counter)
        shut: Counter[int] = Counter()
        quotas: Counter[int] = Counter()
        for place, part, formula, capacity, closed, days in rows:
            shared[place, part, formula][capacity] += days
            if formula is not None:
                quotas[formula] += days
                shut[formula] += days if closed else 0
        if not shared:
            continue
        left_out = frozenset(key for key, days in quotas.items() if shut[key] == days)
        capacities = [
            Capacity(
                activity_id=period.activity_id,
                establishment_id=place,
                part=part,
                formula_id=formula,
                places=most,
            )
            for (place, part, formula), each in shared.items()
            if (most := each.most_common(1)[0][0]) is not None and formula not in left_out
        ]
        found[period.pk] = opening.Terms(_places(period), capacities, left_out)
    return found


def _places(period: Period) -> list[Establishment]:
    chosen = [one for one in period.establishments.all() if one.active]
    return chosen or opening.establishments_of(period)


class Windows(Part):
    key = "fenetres"
    title = "Fenêtres de réservation"
    intro = (
        "Les règles de délai par dates d'ouverture et de clôture reçoivent les mêmes fenêtres pour l'année"
        " suivante. Exemple : « pour les jours du 17 octobre au 1er novembre, ouvre le 17 août à 8 h »."
    )
    order = 40
    counted = ("fenêtre créée", "fenêtres créées")

    def lines(self, turn: YearTurn, *, at: datetime) -> list[Line]:
        dates = next_year.dates_of(turn)
        rows = DeadlineWindow.objects.filter(covers_to__gte=turn.before.starts_on).select_related(
            "rule", "public"
        )
        windows = list(rows.order_by("rule__name", "covers_from", "audience", "public__order", "pk"))
        # Their copies, wherever somebody had them moved.
        copies, there = Made.read(turn.made.get(self.key)).was, {one.pk for one in windows}
        found = []
        for one in windows:
            if not turn.before.starts_on <= one.covers_from < turn.starts_on:
                continue
            moved = dates.span(one.covers_from, one.covers_to)
            fields = [
                Field("covers_from", "Pour les jours du", "day", moved.first),
                Field("covers_to", "au", "day", moved.last),
            ]
            for attribute, label in (("opens_at", "Ouvre le"), ("closes_at", "Clôt le")):
                said = getattr(one, attribute)
                if said is not None:
                    value = moment_beside(said, one.covers_from, moved.first)
                    fields.append(Field(attribute, label, "moment", value, required=False))
            known = copies.get(str(one.pk)) in there or any(
                (other.rule_id, other.audience, other.public_id) == (one.rule_id, one.audience, one.public_id)
                and other.covers_from >= turn.starts_on
                and other.covers_from <= moved.last
                and other.covers_to >= moved.first
                for other in windows
            )
            said_days = moments.span(one.covers_from, one.covers_to, year=True)
            found.append(
                Line(
                    str(one.pk),
                    str(one.rule),
                    f"{one.public or one.get_audience_display()}, {said_days}",
                    "",
                    fields,
                    exists="ces jours ont déjà leur fenêtre" if known else "",
                )
            )
        return found

    def carry_out(
        self, turn: YearTurn, year: SchoolYear, lines: Sequence[Line], made: Made, *, by: User, at: datetime
    ) -> int:
        originals = DeadlineWindow.objects.in_bulk([int(line.key) for line in lines])
        copies = []
        for line in lines:
            row = originals[int(line.key)]
            row.pk, row._state.adding = None, True
            for one in line.fields:
                setattr(row, one.name, one.value)
            copies.append(row)
        rows = DeadlineWindow.objects.bulk_create(copies)
        made.add(WINDOW, *(one.pk for one in rows))
        made.was |= {line.key: row.pk for line, row in zip(lines, rows, strict=True)}
        return len(rows)

    def take_back(self, turn: YearTurn, made: Made, *, by: User, at: datetime) -> None:
        DeadlineWindow.objects.filter(pk__in=made.of(WINDOW)).delete()


class Campaigns(Part):
    key = "inscriptions"
    title = "Campagnes d'inscription"
    intro = (
        "De quand à quand les familles inscrivent leurs enfants pour l'année suivante. Exemple : du lundi"
        " 7 juin à 8 h au vendredi 9 juillet à 18 h. Sans campagne, les inscriptions s'ouvrent quand l'année"
        " finit."
    )
    order = 60
    counted = ("campagne créée", "campagnes créées")

    def lines(self, turn: YearTurn, *, at: datetime) -> list[Line]:
        rows = Campaign.objects.filter(
            Q(school_year=turn.before) | Q(school_year__name=turn.name)
        ).select_related("activity", "audience")
        known = {(one.activity_id, one.audience_id) for one in rows if one.school_year_id != turn.before_id}
        found = []
        for one in rows:
            if one.school_year_id != turn.before_id:
                continue
            whom = " – ".join(str(each) for each in (one.activity, one.audience) if each)
            exists = (one.activity_id, one.audience_id) in known
            found.append(
                Line(
                    str(one.pk),
                    "",
                    whom or "Toutes les activités, toutes les familles",
                    _said(one),
                    _moments(turn, one.opens_at, one.closes_at),
                    exists=f"{turn.name} a déjà sa campagne" if exists else "",
                )
            )
        if not found and not known:
            found.append(
                Line(
                    NEW,
                    "",
                    "Toutes les activités, toutes les familles",
                    f"aucune campagne en {turn.before}",
                    [
                        Field("opens_at", "Ouvre le", "moment", None, required=False),
                        Field("closes_at", "Clôt le", "moment", None, required=False),
                    ],
                    chosen=False,
                )
            )
        return found

    def carry_out(
        self, turn: YearTurn, year: SchoolYear, lines: Sequence[Line], made: Made, *, by: User, at: datetime
    ) -> int:
        originals = Campaign.objects.in_bulk([int(line.key) for line in lines if line.key != NEW])
        count = 0
        for line in lines:
            if line.value("opens_at") is None:
                continue
            before = originals.get(int(line.key)) if line.key != NEW else None
            row = Campaign(
                school_year=year,
                activity=before.activity if before else None,
                audience=before.audience if before else None,
                opens_at=line.value("opens_at"),
                closes_at=line.value("closes_at"),
            )
            row.save()
            made.add(CAMPAIGN, row.pk)
            count += 1
        return count

    def stands_on(self, turn: YearTurn, made: Made) -> list[str]:
        others = next_year.others_of_the_year(turn, Campaign, made.of(CAMPAIGN))
        what = counted(others, "campagne a été ajoutée", "campagnes ont été ajoutées")
        return [f"{what} à {turn.name} sur une autre page."] if others else []

    def take_back(self, turn: YearTurn, made: Made, *, by: User, at: datetime) -> None:
        for one in Campaign.objects.filter(pk__in=made.of(CAMPAIGN)):
            one.delete()


NEW = "0"


def _said(one: Campaign) -> str:
    opens = moments.moment(one.opens_at, year=True)
    return (
        f"du {opens} au {moments.moment(one.closes_at, year=True)}" if one.closes_at else f"depuis le {opens}"
    )


def _moments(turn: YearTurn, opens_at: datetime, closes_at: datetime | None) -> list[Field]:
    """52 weeks later, or as far from the first day of the year as they were."""
    was, then = turn.before.starts_on, turn.starts_on
    fields = [Field("opens_at", "Ouvre le", "moment", moment_beside(opens_at, was, then))]
    closes = moment_beside(closes_at, was, then) if closes_at else None
    return [*fields, Field("closes_at", "Clôt le", "moment", closes, required=False)]


def register_all() -> None:
    """Once the app is ready."""
    for one in (Periods(), Windows(), Campaigns()):
        next_year.register(one)
