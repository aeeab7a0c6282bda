"""Which tariff and which facts count for a child on a day: rows loaded once, prices then without a query.

book = PriceBook.load([formula.pk, …], first, last)
people = FactsBook.load([household.pk, …], first, last)
book.price(formula.pk, people.facts(household.pk, child.pk, activity.pk, day), day) -> pricing.Price
"""

import copy
from bisect import bisect_right
from calendar import isleap
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import (
    BigIntegerField,
    Case,
    DateField,
    DecimalField,
    Exists,
    F,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Cast, Concat, TruncDate
from django.utils import timezone

from billing.models import (
    BillingSettings,
    ChildStatus,
    FormulaTariff,
    PackedMeal,
    Tariff,
    TariffBand,
    TariffModifier,
    TariffQuantity,
    TariffRate,
    price_text,
)
from billing.rules import pricing, quantities
from families.models import Child, FamilyQuotient, Household, Residence, age_on
from portal.database.composed import Composed, Given, numbered, one_of
from portal.french.dates import end_of_month
from portal.reservations.days import audiences
from portal.reservations.days.deadline_book import LateBook, LateTerms
from portal.reservations.days.late_days import LateDays
from portal.reservations.days.limits import SEPTEMBER, reference_day
from portal.reservations.deadlines.publics import Publics
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Attendance,
    Audience,
    Booking,
    Enrolment,
    Formula,
    SchoolClass,
    Schooling,
    SchoolYear,
)
from portal.reservations.models.campaigns import read_publics
from portal.reservations.states import LIVE, EnrolmentState

SURCHARGES = {
    ActivityDeadline.Surcharge.ADD: pricing.Effect.ADD,
    ActivityDeadline.Surcharge.MULTIPLY: pricing.Effect.MULTIPLY,
    ActivityDeadline.Surcharge.PRICE: pricing.Effect.PRICE,
}


# What is read of a class: its level, and its name, which says its grades.
LEVEL_AND_NAME = Concat("school_class__level", Value("|"), "school_class__name")
# No tariff asks the age of anybody older.
OLDEST = 26

# The kinds of rows that one query brings for a household.
QUOTIENT, ENROLLED, LEVEL, PACKED, LATE, LIVES, BORN, STATUS = range(8)


@dataclass(frozen=True)
class Quote:
    """A price and the row of the tariff that says it (VAT, share of care, unit)."""

    price: pricing.Price
    tariff: Tariff


class PriceBook:
    """The offers of some formulas between two days."""

    def __init__(
        self,
        offers: Mapping[int, Sequence[pricing.TariffOffer]],
        tariffs: Mapping[int, Tariff],
        formulas: Iterable[Formula],
        late: LateBook,
        by_number: "Mapping[int, Sequence[quantities.Quantity]] | None" = None,
        by_public: bool = False,
    ) -> None:
        # Whether the town lets households from elsewhere pay as its own.
        self._by_public = by_public
        # What a tariff (its key) says of a number of presences; most say nothing.
        self.quantities: Mapping[int, Sequence[quantities.Quantity]] = by_number or {}
        self._offers = offers
        self._tariffs = tariffs
        self.formulas = list(formulas)
        self._activities = {formula.pk: formula.activity_id for formula in self.formulas}
        self._minutes = {formula.pk: formula.minutes for formula in self.formulas}
        self._late = late
        self._quotes: dict[tuple[int, pricing.Facts, LateTerms | None, int], Quote] = {}
        self._turning_days: dict[int, list[date]] = {}

    @classmethod
    def load(cls, formulas: Iterable[int], first: date, last: date) -> "PriceBook":
        """In six queries, whatever the number of formulas and days; in seven where periods have deadlines of
        their own, one more where a number of presences changes a price."""
        return cls._of(FormulaTariff.objects.filter(formula_id__in=list(formulas)), first, last)

    @classmethod
    def of_activity(cls, activity_id: int) -> "PriceBook":
        """All formulas offered by an activity, at any time; `formulas` names those with a tariff."""
        links = FormulaTariff.objects.filter(formula__activity_id=activity_id, formula__active=True)
        return cls._of(links, date.min, date.max)

    @classmethod
    def of_town(cls) -> "PriceBook":
        """Every formula's tariffs, of all times."""
        return cls._of(FormulaTariff.objects.all(), date.min, date.max)

    @classmethod
    def _of(cls, found: QuerySet[FormulaTariff], first: date, last: date) -> "PriceBook":
        as_resident = Exists(Audience.objects.filter(priced_as_resident=True))
        told = found.select_related("formula").annotate(by_public=as_resident)
        links = list(told.order_by("formula__order", "formula_id", "pk"))
        tariffs = (
            Tariff.objects.in_force(first, last)
            .filter(pk__in={link.tariff_id for link in links})
            .with_rules()
            .by_quantity()
            .in_bulk()
        )
        rules = {pk: tariff.rule() for pk, tariff in tariffs.items()}
        offers: dict[int, list[pricing.TariffOffer]] = defaultdict(list)
        for link in links:
            if link.tariff_id in rules:
                offers[link.formula_id].append(link.offer(rules[link.tariff_id]))
        formulas = {link.formula_id: link.formula for link in links}.values()
        late = LateBook.load({formula.activity_id for formula in formulas})
        by_public = any(link.by_public for link in links)
        return cls(offers, tariffs, formulas, late, _by_number(tariffs), by_public)

    @property
    def tariffs(self) -> Iterable[Tariff]:
        """Those whose offers it has, with their rules."""
        return self._tariffs.values()

    @cached_property
    def by_quantity(self) -> frozenset[int]:
        """The formulas that have a price which depends on how many presences there are."""
        return frozenset(
            formula
            for formula, offers in self._offers.items()
            if any(offer.source in self.quantities for offer in offers)
        )

    @cached_property
    def packages(self) -> frozenset[int]:
        """The tariffs of which a day costs nothing by itself: packages of days are paid."""
        return frozenset(
            pk
            for pk, rules in self.quantities.items()
            if any(rule.kind is quantities.Kind.PACKAGE for rule in rules)
        )

    @cached_property
    def asks(self) -> frozenset[pricing.When]:
        """What these tariffs ask of a child beside the quotient: residence, rank, level, PAI…"""
        found = set()
        for offer in (offer for offers in self._offers.values() for offer in offers):
            found |= {modifier.when for modifier in offer.tariff.modifiers} | {offer.situation}
            if offer.level or pricing.When.GRADE in found:
                found.add(pricing.When.LEVEL)
            found |= {pricing.When.RANK} if offer.rank > 1 else set()
            found |= {pricing.When.NON_RESIDENT} if offer.resident is not None else set()
            found |= {pricing.When.PUBLIC} if offer.public else set()
            if offer.children > 1 or any(rate.children > 1 for rate in offer.tariff.rates):
                found.add(pricing.When.CHILDREN)
        if self._by_public and pricing.When.NON_RESIDENT in found:
            found.add(pricing.When.PUBLIC)
        return frozenset(when for when in found if when is not None)

    def price(self, formula_id: int, facts: pricing.Facts, day: date) -> pricing.Price:
        """What the formula costs that day, with its explanation. Raises NoPrice when no tariff says it."""
        return self.quote(formula_id, facts, day).price

    def quote(
        self,
        formula_id: int,
        facts: pricing.Facts,
        day: date,
        *,
        period: int | None = None,
        establishment: int | None = None,
    ) -> "Quote":
        """The price with the tariff's row. Raises NoPrice when no tariff says it.

        `period` (the reservation's) and `establishment` say which deadline a late one goes by."""
        terms = None
        if facts.late:
            terms = self.late_terms(formula_id, day, period=period, establishment=establishment)
        # Between two days on which a tariff begins or ends, the same facts on the same terms cost the same.
        key = (formula_id, facts, terms, bisect_right(self._turns_of(formula_id), day))
        found = self._quotes.get(key)
        if found is None:
            found = self._quotes[key] = self._quote(formula_id, facts, day, terms)
        return found

    def _turns_of(self, formula_id: int) -> list[date]:
        if formula_id not in self._turning_days:
            spans = [(one.tariff.valid_from, one.tariff.valid_to) for one in self._offers.get(formula_id, ())]
            days = {first for first, _ in spans if first} | {
                last + timedelta(days=1) for _, last in spans if last
            }
            self._turning_days[formula_id] = sorted(days)
        return self._turning_days[formula_id]

    def _quote(self, formula_id: int, facts: pricing.Facts, day: date, terms: LateTerms | None) -> "Quote":
        offers = self._offers.get(formula_id, ())
        chosen = pricing.choose(offers, facts, day)[0]
        tariff = self._tariffs[chosen.source]
        # The tariff's own word on late reservations counts before the deadline's.
        if (
            terms is not None
            and terms.surcharge
            and chosen.situation is not pricing.When.LATE
            and all(modifier.when is not pricing.When.LATE for modifier in chosen.tariff.modifiers)
        ):
            surcharged = replace(chosen.tariff, modifiers=(*chosen.tariff.modifiers, _surcharge(terms)))
            offers = [replace(offer, tariff=surcharged) if offer is chosen else offer for offer in offers]
        return Quote(pricing.price_among(offers, facts, day), tariff)

    def late_terms(
        self, formula_id: int, day: date, *, period: int | None = None, establishment: int | None = None
    ) -> LateTerms:
        """What reserving the formula late costs, and how often in a month it does not: asked of the
        deadlines, for a reservation of `period` or, without one, for that day at `establishment`."""
        activity = self._activities.get(formula_id, 0)
        return self._late.terms(activity, formula_id, day, period=period, establishment=establishment)

    def reserved_minutes(self, formula_id: int) -> int | None:
        """How long the formula lasts by its hours; None where it has none."""
        return self._minutes.get(formula_id)

    @cached_property
    def forgives(self) -> bool:
        """Whether any late reservation may cost nothing more."""
        return self._late.forgives


def _by_number(tariffs: Mapping[int, Tariff]) -> dict[int, list[quantities.Quantity]]:
    """One query, where any tariff has such rules."""
    found: dict[int, list[quantities.Quantity]] = defaultdict(list)
    counting = [pk for pk, tariff in tariffs.items() if getattr(tariff, "counts", False)]
    for row in TariffQuantity.objects.filter(tariff__in=counting) if counting else ():
        found[row.tariff_id].append(row.rule())
    return dict(found)


def _surcharge(terms: LateTerms) -> pricing.Modifier:
    effect = SURCHARGES[ActivityDeadline.Surcharge(terms.surcharge)]
    return pricing.Modifier(pricing.When.LATE, effect, terms.amount or Decimal(0))


class FactsBook:
    """What prices ask of households and children between two days."""

    def __init__(self) -> None:
        # household -> [(from, lives in the town, known on)], the first from the beginning of time, the last
        # first. Where a fact counts from its date, nothing says when it was known.
        self._residences: dict[int, list[tuple[date, bool, date]]] = {}
        self._quotients: dict[int, list[FamilyQuotient]] = defaultdict(list)
        # (household, school year) -> who is enrolled, from when to when
        self._enrolled: dict[tuple[int, int], list[_Enrolled]] = defaultdict(list)
        # (child, school year) -> [(first day, last day, level, known on)], the last first
        self._levels: dict[tuple[int, int], list[tuple[date, date, str, date | None]]] = defaultdict(list)
        self._births: dict[int, date] = {}
        self._statuses: dict[int, list[ChildStatus]] = defaultdict(list)
        self._packed: dict[tuple[int, int], list[PackedMeal]] = defaultdict(list)
        # The town's own audiences, where a tariff asks for them.
        self._audiences = audiences.Known(Publics())
        self._years: list[SchoolYear] = []
        self._year_of: dict[date, SchoolYear | None] = {}
        self._facts: dict[tuple[object, ...], pricing.Facts] = {}
        self._turns: dict[tuple[object, ...], list[date]] = {}
        self._settings = BillingSettings()
        # Whose: (child, formula).
        self.late_days = LateDays()

    @classmethod
    def load(
        cls,
        households: Iterable[int],
        first: date,
        last: date,
        *,
        asks: Collection[pricing.When] = frozenset(pricing.When),
    ) -> "FactsBook":
        """In ten queries at most, whatever the number of households and days, seven more where audiences of
        the town change a price; `asks` (PriceBook's own) leaves out what no tariff asks for."""
        book = cls()
        book._settings = BillingSettings.current()
        households = list(households)
        if pricing.When.NON_RESIDENT in asks:
            for pk, resident in Household.objects.filter(pk__in=households).values_list("pk", "resident"):
                book._residences[pk] = [(date.min, resident, date.min)]
            moves = Residence.objects.filter(household_id__in=households)
            for pk, since, resident, told_at in moves.values_list(
                "household_id", "starts_on", "resident", "told_at"
            ):
                book._lives(pk, since, resident, _day(told_at))
        if pricing.When.PUBLIC in asks:
            book._ask_publics(Household.objects.filter(pk__in=households))
        if pricing.When.AGE in asks:
            births = Child.objects.filter(enrolments__household_id__in=households).distinct()
            book._births = dict(births.values_list("pk", "birth_date"))
        quotients = FamilyQuotient.objects.filter(household_id__in=households, valid_from__lte=last).filter(
            Q(valid_to=None) | Q(valid_to__gte=first) | Q(end_known_on__gt=first)
        )
        for quotient in quotients.order_by("-valid_from"):
            book._quotients[quotient.household_id].append(quotient)
        places = bool({pricing.When.RANK, pricing.When.CHILDREN} & set(asks))
        if places or pricing.When.LEVEL in asks:
            book._years = list(SchoolYear.objects.order_by("-starts_on"))
        years = {one.pk for day in (first, last) if (one := book._year(day))}
        if places:
            # An ended enrolment was held by the presences before its end.
            for household, year, *who, starts_on, ends_on, asked, ended in Enrolment.objects.filter(
                household_id__in=households,
                school_year_id__in=years,
                state__in=(EnrolmentState.ACCEPTED, EnrolmentState.ENDED),
            ).values_list(
                "household_id", "school_year_id",
                "child__birth_date", "child_id", "activity_id", "starts_on", "ends_on",
                "requested_at", _ENDED_AT,
            ):  # fmt: skip
                book._is_enrolled(
                    household,
                    year,
                    (who[0], who[1], who[2]),
                    (starts_on, ends_on),
                    (_day(asked), _day(ended)),
                )
        if pricing.When.LEVEL in asks:
            for child, year, first_day, last_day, level, known_on in (
                Schooling.objects.filter(
                    child__enrolments__household_id__in=households, school_year_id__in=years
                )
                .distinct()
                .values_list("child_id", "school_year_id", "starts_on", "ends_on", LEVEL_AND_NAME, "known_on")
            ):
                book._attends(child, year, (first_day, last_day), level, known_on)
        if pricing.When.STATUS in asks:
            for status in ChildStatus.objects.filter(
                child__enrolments__household_id__in=households, valid_from__lte=last
            ).distinct():
                book._statuses[status.child_id].append(status)
        if pricing.When.PAI in asks:
            for packed in PackedMeal.objects.filter(enrolment__household_id__in=households).select_related(
                "enrolment"
            ):
                book._packed[packed.enrolment.child_id, packed.enrolment.activity_id].append(packed)
        return book

    @classmethod
    def of_household(
        cls,
        household: Household,
        first: date,
        last: date,
        *,
        asks: Collection[pricing.When],
        years: list[SchoolYear],
        settings: BillingSettings,
        late: bool = False,
        publics: Publics | None = None,
    ) -> "FactsBook":
        """Of one household, in one query: a page has few to spare; a few more where audiences of the town
        change a price. `years` are all of them, newest first;
        `settings` the town's; `late`: counts what is reserved late in these months; `publics` are the town's
        audiences where a page has them, whose prices are not billed."""
        book = cls()
        book._settings = settings
        book._residences[household.pk] = [(date.min, household.resident, date.min)]
        if pricing.When.PUBLIC in asks:
            if publics is None:
                book._ask_publics([household])
            else:
                book._ask_of_page(household, publics)
        book._years = years
        between = {one.pk for day in (first, last) if (one := book._year(day))}
        months = {"month": first.replace(day=1), "month_end": end_of_month(last)} if late else {}
        rows = _rows(
            timezone.get_current_timezone_name(),
            len(between),
            frozenset(asks),
            late,
            household=household.pk,
            first=first,
            last=last,
            **months,
            **numbered("year", sorted(between)),
        )
        book._births = {one: born for what, one, _, _, born, *_ in rows if what == BORN}
        for what, one, two, three, starts, ends, value, level, known, end_known in rows:
            if what == QUOTIENT:
                quotient = FamilyQuotient(
                    valid_from=starts, valid_to=ends, value=value, known_on=known, end_known_on=end_known
                )
                book._quotients[household.pk].append(quotient)
            elif what == ENROLLED:
                who = book._births[one], one, two
                book._is_enrolled(household.pk, three, who, (starts, ends), (known, end_known))
            elif what == LEVEL:
                book._attends(one, two, (starts, ends), level, known)
            elif what == LIVES:
                book._lives(household.pk, starts, bool(one), known)
            elif what == LATE:
                book.late_days.add((one, two), starts)
            elif what == STATUS:
                book._statuses[one].append(ChildStatus(kind=level, valid_from=starts, valid_to=ends))
            elif what == PACKED:
                book._packed[one, two].append(PackedMeal(valid_from=starts, valid_to=ends))
        book._quotients[household.pk].sort(key=lambda quotient: quotient.valid_from, reverse=True)
        return book

    def _ask_publics(self, households: Iterable[Household]) -> None:
        """As they stand now: what is billed rests on it."""
        publics = read_publics()
        if publics:
            self._audiences = audiences.Known.load(
                households, publics=publics, when_told=self._told("residence")
            )

    def _ask_of_page(self, household: Household, publics: Publics) -> None:
        if publics:
            self._audiences = audiences.Known.of_home(household, publics, when_told=self._told("residence"))

    def _publics(self, household_id: int, child_id: int, day: date) -> tuple[int, ...]:
        """The town's own audiences of that day, as far as one of them says « as the families of the town »:
        nothing of those after it counts."""
        found = self._audiences.of(household_id, day, child_id)
        as_resident = (
            place for place, key in enumerate(found) if self._audiences.publics.of(key).priced_as_resident
        )
        last = next(as_resident, None)
        return found if last is None else found[: last + 1]

    def _year(self, day: date) -> SchoolYear | None:
        """The school year of a day; summer belongs to the year before it."""
        return next((year for year in self._years if year.starts_on <= day), None)

    def quotient_ends(self, household_id: int, first: date, last: date) -> date | None:
        """The last day of a quotient that nothing follows, from `first` on and before `last`; None: there is
        none such."""
        ends = sorted(one.valid_to for one in self._quotients.get(household_id, ()) if one.valid_to)
        return next(
            (
                end
                for end in ends
                if first <= end < last and self.quotient(household_id, end + timedelta(days=1)) is None
            ),
            None,
        )

    def quotient(self, household_id: int, day: date) -> Decimal | None:
        """The quotient in force that day; None without proof."""
        return next(
            (one.value for one in self._quotients.get(household_id, ()) if self._counts(one, day)),
            None,
        )

    def _counts(self, one: FamilyQuotient, day: date) -> bool:
        if day < one.valid_from:
            return False
        if not self._told("quotient"):
            return one.valid_to is None or day <= one.valid_to
        if one.known_on and day < one.known_on:
            return False
        # What cut it short was not known yet.
        unknown = one.end_known_on is not None and day < one.end_known_on
        return one.valid_to is None or day <= one.valid_to or unknown

    def _told(self, kind: str) -> bool:
        """Whether a fact of the kind, told late, counts from the day on which it was told."""
        return bool(getattr(self._settings, f"{kind}_late") == BillingSettings.Late.TOLD)

    def facts(
        self, household_id: int, child_id: int, activity_id: int, day: date, *, late: bool = False
    ) -> pricing.Facts:
        """The facts of a child reserved in an activity that day; rank is by age among those enrolled."""
        if day not in self._year_of:
            self._year_of[day] = self._year(day)
        year = self._year_of[day]
        quotient = self.quotient(household_id, day)
        packed = self._packed.get((child_id, activity_id), ())
        pai = any(one.on(day) for one in packed)
        statuses = frozenset(one.kind for one in self._statuses.get(child_id, ()) if one.on(day))
        publics = self._publics(household_id, child_id, day)
        # Between two days on which something begins or ends, the same facts hold.
        turn = bisect_right(self._turns_of(household_id, child_id, year), day)
        known = (quotient, pai, late, statuses, publics)
        key = (household_id, child_id, activity_id, year and year.pk, turn, known)
        found = self._facts.get(key)
        if found is None:
            rank, children = self._place(household_id, child_id, activity_id, year, day)
            born = self._births.get(child_id)
            level, _, name = self._level(child_id, year, day).partition("|")
            found = self._facts[key] = pricing.Facts(
                quotient=quotient,
                resident=self._resident(household_id, day)
                or self._audiences.publics.priced_as_resident(publics),
                rank=rank,
                children=children,
                level=level,
                grades=_grades(level, name) if name else None,
                age=age_on(born, day) if born else None,
                age_december=_age_at(born, day, Activity.AgeCounts.DECEMBER),
                age_september=_age_at(born, day, Activity.AgeCounts.SEPTEMBER),
                pai=pai,
                late=late,
                statuses=statuses,
                publics=publics,
            )
        return found

    def _turns_of(self, household_id: int, child_id: int, year: SchoolYear | None) -> list[date]:
        """The days on which a fact of the child may change in a year, quotient and PAI aside."""
        key = (household_id, child_id, year and year.pk)
        if key not in self._turns:
            days = {day for since, _, told in self._residences.get(household_id, ()) for day in (since, told)}
            if year:
                for first, last, _, known in self._levels.get((child_id, year.pk), ()):
                    days |= {first, _next(last), known or first}
                for one in self._enrolled.get((household_id, year.pk), ()):
                    days |= {one.first, _next(one.last)}
            days |= set(_birthdays(self._births.get(child_id)))
            if year and self._births.get(child_id):
                days |= {date(year.starts_on.year + more, SEPTEMBER, 1) for more in (0, 1)}
            self._turns[key] = sorted(days)
        return self._turns[key]

    def _lives(self, household_id: int, since: date | None, resident: bool, told: date | None) -> None:
        """Takes in a residence: from `since` on (None: since always)."""
        known = self._residences.setdefault(household_id, [])
        if since is None:
            known[:] = [one for one in known if one[0] != date.min]
        late = told if since is not None and self._told("residence") else None
        known.append((since or date.min, resident, late or date.min))
        known.sort(reverse=True)

    def _resident(self, household_id: int, day: date) -> bool:
        known = self._residences.get(household_id, ())
        return next((resident for since, resident, told in known if max(since, told) <= day), True)

    def _attends(
        self, child: int, year: int, days: tuple[date | None, date | None], level: str, known: date | None
    ) -> None:
        """Takes in a class; where it counts from when it was told, the one before it lasts until then."""
        told = known if self._told("school") else None
        self._levels[child, year].append((days[0] or date.min, days[1] or date.max, level, told))
        self._levels[child, year].sort(key=lambda one: one[0], reverse=True)

    def _level(self, child_id: int, year: SchoolYear | None, day: date) -> str:
        waits = False
        for first, last, level, known in self._levels.get((child_id, year.pk), ()) if year else ():
            if first <= day and known is not None and day < known:
                waits = True
            elif first <= day and (day <= last or waits):
                return level
        return ""

    def _is_enrolled(
        self,
        household: int,
        year: int,
        who: tuple[date, int, int],
        days: tuple[date, date | None],
        known: tuple[date | None, date | None],
    ) -> None:
        """Takes in an enrolment: of whom (birth, child, activity), its days, when its start and end were
        known."""
        first, last = days[0], days[1] or date.max
        if self._told("siblings"):
            first = max(first, known[0] or first)
            last = max(last, known[1] - timedelta(days=1)) if known[1] else last
        self._enrolled[household, year].append(_Enrolled(*who, first, last))

    def _place(
        self, household_id: int, child_id: int, activity_id: int, year: SchoolYear | None, day: date
    ) -> tuple[int, int]:
        """Rank of the child, and number of children counted with it: those enrolled that day, and itself."""
        enrolled = self._enrolled.get((household_id, year.pk), []) if year else []
        same_activity = self._settings.siblings == BillingSettings.Siblings.ACTIVITY
        siblings = sorted(
            {
                (one.born, one.child)
                for one in enrolled
                if one.child == child_id
                or (one.holds(day) and (not same_activity or one.activity == activity_id))
            }
        )
        ranks = {child: rank for rank, (_, child) in enumerate(siblings, start=1)}
        return ranks.get(child_id, 1), max(len(siblings), 1)


@dataclass(frozen=True)
class _Enrolled:
    """That a child is enrolled in an activity from a day to a day."""

    born: date
    child: int
    activity: int
    first: date
    last: date

    def holds(self, day: date) -> bool:
        return self.first <= day <= self.last


# When the end of an enrolment was said: by who said it or, where a custody ended it or a former version did,
# with the decision.
_ENDED_AT = Case(
    When(state=EnrolmentState.ENDED, ended_at=None, then=F("decided_at")),
    When(state=EnrolmentState.ENDED, decided_at__gt=F("ended_at"), then=F("decided_at")),
    default=F("ended_at"),
)


def _day(at: datetime | None) -> date | None:
    return timezone.localdate(at) if at else None


def _next(day: date) -> date:
    return day if day == date.max else day + timedelta(days=1)


def _age_at(born: date | None, day: date, counts: str) -> int | None:
    """The age on a day of the school year of `day`."""
    return None if born is None else age_on(born, reference_day(counts, day))


def _grades(level: str, name: str) -> tuple[int, int]:
    """The first and the last grade of a class."""
    return SchoolClass(level=level, name=name).grades


def _birthdays(born: date | None) -> list[date]:
    """The days on which a child is a year older, as long as it is one."""
    if born is None:
        return []
    # Who is born on 29 February is a year older on 1 March of other years.
    return [
        born.replace(year=year) if (born.month, born.day) != (2, 29) or isleap(year) else date(year, 3, 1)
        for year in range(born.year, born.year + OLDEST)
    ]


def is_timed(formula: Formula) -> bool:
    """Whether a presence of the formula is paid by how long it lasted, so that somebody must say it."""
    return FormulaTariff.objects.filter(formula=formula, tariff__unit__in=pricing.TIMED_UNITS).exists()


@Composed
def _rows(
    zone: str, years: int, asks: frozenset[pricing.When], late: bool
) -> "QuerySet[FamilyQuotient, tuple[Any, ...]]":
    """What is asked of a `household` between the days `first` and `last`, in so many `year`s and, where it is
    asked, what is late from `month` to `month_end`; as rows of one shape: kind, three ids, two days, a value,
    a level, and when the start and the end of it were known, in the time `zone` of the process."""
    household = Given("household")
    these_years = one_of("school_year", "year", years) if years else Q(pk__in=[])
    # PostgreSQL takes a bare NULL of a union for text.
    no_id = Cast(Value(None), BigIntegerField())
    no_day = Cast(Value(None), DateField())
    no_value = Cast(Value(None), DecimalField(max_digits=8, decimal_places=2))
    no_level = Value("")
    parts: list[QuerySet[Any, tuple[Any, ...]]] = []
    if {pricing.When.RANK, pricing.When.CHILDREN} & set(asks):
        # An ended enrolment was held by the presences before its end.
        parts.append(
            Enrolment.objects.filter(
                these_years,
                household=household,
                state__in=(EnrolmentState.ACCEPTED, EnrolmentState.ENDED),
            )
            .order_by()
            .values_list(
                Value(ENROLLED), F("child_id"), F("activity_id"), F("school_year_id"),
                F("starts_on"), F("ends_on"), no_value, no_level,
                TruncDate("requested_at"), TruncDate(_ENDED_AT),
            )
        )  # fmt: skip
    if {pricing.When.RANK, pricing.When.CHILDREN, pricing.When.AGE} & set(asks):
        parts.append(
            Child.objects.filter(enrolments__household=household)
            .order_by()
            .values_list(
                Value(BORN), F("pk"), no_id, no_id, F("birth_date"), no_day, no_value, no_level,
                no_day, no_day,
            )
        )  # fmt: skip
    if pricing.When.NON_RESIDENT in asks:
        # PostgreSQL makes no number of a boolean by itself.
        lives_here = Case(
            When(resident=True, then=Value(1)), default=Value(0), output_field=BigIntegerField()
        )
        parts.append(
            Residence.objects.filter(household=household)
            .order_by()
            .values_list(
                Value(LIVES), lives_here, no_id, no_id,
                F("starts_on"), no_day, no_value, no_level, TruncDate("told_at"), no_day,
            )
        )  # fmt: skip
    if pricing.When.LEVEL in asks:
        parts.append(
            Schooling.objects.filter(these_years, child__enrolments__household=household)
            .order_by()
            .values_list(
                Value(LEVEL), F("child_id"), F("school_year_id"), no_id,
                F("starts_on"), F("ends_on"), no_value, LEVEL_AND_NAME, F("known_on"), no_day,
            )
        )  # fmt: skip
    if pricing.When.STATUS in asks:
        parts.append(
            ChildStatus.objects.filter(child__enrolments__household=household, valid_from__lte=Given("last"))
            .order_by()
            .values_list(
                Value(STATUS), F("child_id"), no_id, no_id,
                F("valid_from"), F("valid_to"), no_value, F("kind"), no_day, no_day,
            )
        )  # fmt: skip
    if pricing.When.PAI in asks:
        parts.append(
            PackedMeal.objects.filter(enrolment__household=household)
            .order_by()
            .values_list(
                Value(PACKED), F("enrolment__child_id"), F("enrolment__activity_id"), no_id,
                F("valid_from"), F("valid_to"), no_value, no_level, no_day, no_day,
            )
        )  # fmt: skip
    if late:
        months = (Given("month"), Given("month_end"))
        parts.append(
            Booking.objects.filter(household=household, late=True, state__in=LIVE, day__range=months)
            .order_by()
            .values_list(
                Value(LATE),
                F("child_id"),
                F("formula_id"),
                no_id,
                F("day"),
                no_day,
                no_value,
                no_level,
                no_day,
                no_day,
            )
        )
    quotients = (
        FamilyQuotient.objects.filter(household=household, valid_from__lte=Given("last"))
        .filter(Q(valid_to=None) | Q(valid_to__gte=Given("first")) | Q(end_known_on__gt=Given("first")))
        .order_by()
        .values_list(
            Value(QUOTIENT),
            no_id,
            no_id,
            no_id,
            F("valid_from"),
            F("valid_to"),
            F("value"),
            no_level,
            F("known_on"),
            F("end_known_on"),
        )
    )
    return quotients.union(*parts, all=True) if parts else quotients


def quotient_counts_when_told() -> bool:
    """Whether a quotient given late counts from the day on which it was given."""
    return BillingSettings.current().quotient_late == BillingSettings.Late.TOLD


def next_dates(tariff: Tariff, today: date) -> tuple[date, date | None]:
    """When a copy should hold: right after the tariff's end, for as long; else from the next 1 September."""
    if tariff.valid_to is None:
        year = today.year if today < date(today.year, 9, 1) else today.year + 1
        first = date(year, 9, 1)
        if tariff.valid_from and first <= tariff.valid_from:
            first = date(tariff.valid_from.year + 1, 9, 1)
        return first, None
    first = tariff.valid_to + timedelta(days=1)
    try:
        return first, tariff.valid_to.replace(year=tariff.valid_to.year + 1)
    except ValueError:  # 29 February
        return first, tariff.valid_to.replace(year=tariff.valid_to.year + 1, day=28)


def next_code(tariff: Tariff, first: date) -> str:
    """The code of a copy that holds from `first` on; one of that code says that it was copied already."""
    return f"{tariff.code[:70]}-{first.year}"


def copy_tariff(
    tariff: Tariff,
    *,
    name: str,
    code: str,
    valid_from: date,
    valid_to: date | None,
    percent: Decimal = Decimal(0),
) -> Tariff:
    """A copy with bands, rates, rules and formulas, its prices `percent` higher; the original ends the day
    before when it would last longer. Call in a transaction, with `tariff` loaded by `with_rules()`."""
    factor = 1 + percent / 100

    def raised(amount: Decimal | None) -> Decimal | None:
        return amount if amount is None or not percent else pricing.rounded(amount * factor, tariff.step)

    parts = (
        [*tariff.bands.all()], [*tariff.rates.all()], [*tariff.modifiers.all()], [*tariff.formulas.all()],
        [*tariff.quantities.all()],
    )  # fmt: skip
    if tariff.valid_to is None or tariff.valid_to >= valid_from:
        tariff.valid_to = valid_from - timedelta(days=1)
        tariff.save()
    copied = _cloned(Tariff.objects.get(pk=tariff.pk), name, code, valid_from, valid_to)
    copied.no_quotient_price = raised(copied.no_quotient_price)
    copied.save(force_insert=True)
    for row in (row for rows in parts for row in rows):
        if isinstance(row, TariffBand):
            row.prices = {
                column: price_text(raised(Decimal(price)) or Decimal(0))
                for column, price in row.prices.items()
            }
        elif isinstance(row, TariffRate):
            row.floor, row.ceiling = raised(row.floor), raised(row.ceiling)
        elif isinstance(row, TariffModifier) and row.effect in ("price", "add"):
            row.amount = raised(row.amount) or Decimal(0)
        elif isinstance(row, TariffQuantity):
            row.amount = raised(row.amount)
        _insert_into(copied, row)
    return copied


def keep_past(before: Tariff, tariff: Tariff, since: date) -> Tariff | None:
    """`tariff` was written anew and holds from `since` on: the days before keep the prices of `before`, which
    the answer has. None where it had no day before.

    `before` is read `with_rules()` and with its formulas before anything is written. Call in a transaction.
    """
    last = since - timedelta(days=1)
    if before.valid_from is not None and since <= before.valid_from:
        return None
    if before.valid_to is not None and last >= before.valid_to:
        return None
    kept = _keep_until(before, last)
    tariff.valid_from = since
    tariff.save(update_fields=["valid_from"])
    return kept


KEPT = "-jusqu-au-"


def kept_before(tariff: Tariff) -> QuerySet[Tariff]:
    """What `keep_past` has kept of it, the latest first."""
    return Tariff.objects.filter(code__startswith=f"{tariff.code[:60]}{KEPT}").order_by("-valid_to")


def terms(tariff: Tariff) -> object:
    """All that it says of prices, to be compared: neither its names nor its dates."""
    rows = [
        *tariff.bands.all(),
        *tariff.rates.all(),
        *tariff.modifiers.all(),
        *tariff.formulas.all(),
        *tariff.quantities.all(),
    ]
    said = sorted(f"{row._meta.model_name} {_said(row, {'id', 'tariff'})}" for row in rows)
    return _said(tariff, {"id", "code", "name", "valid_from", "valid_to"}), said


def _said(row: Any, but: set[str]) -> list[str]:
    """Numbers without idle zeros: « 4.00 » and « 4.000 » say the same."""

    def plain(value: Any) -> str:
        if isinstance(value, dict):
            return str(sorted((key, price_text(Decimal(price))) for key, price in value.items()))
        return str(value.normalize() if isinstance(value, Decimal) else value)

    fields = (field for field in row._meta.concrete_fields if field.name not in but)
    return [plain(getattr(row, field.attname)) for field in fields]


def presences_priced(tariff: Tariff, today: date) -> int:
    """How many meals and other presences it has priced up to today, reserved or not; two queries."""
    found = 0
    formulas = [link.formula_id for link in tariff.formulas.all()]
    for rows in (Booking.objects.holding(), Attendance.objects.filter(booking=None)):
        had = rows.filter(formula__in=formulas, day__lte=today)
        had = had if tariff.valid_from is None else had.filter(day__gte=tariff.valid_from)
        found += (had if tariff.valid_to is None else had.filter(day__lte=tariff.valid_to)).count()
    return found


def _keep_until(before: Tariff, last: date) -> Tariff:
    code = taken = f"{before.code[:60]}{KEPT}{last:%Y-%m-%d}"
    place = 2
    while Tariff.objects.filter(code=code).exists():
        code, place = f"{taken}-{place}", place + 1
    parts = [
        *before.bands.all(),
        *before.rates.all(),
        *before.modifiers.all(),
        *before.formulas.all(),
        *before.quantities.all(),
    ]
    kept = _cloned(before, before.name, code, before.valid_from, last)
    kept.save(force_insert=True)
    for row in parts:
        _insert_into(kept, row)
    return kept


def _cloned(tariff: Tariff, name: str, code: str, valid_from: date | None, valid_to: date | None) -> Tariff:
    """The same object as a new row, without its rules, not saved yet."""
    clone = copy.copy(tariff)
    clone._state = copy.copy(tariff._state)
    clone._prefetched_objects_cache = {}  # type: ignore[attr-defined]  # those are of the other row
    clone.pk = None
    clone.name, clone.code, clone.valid_from, clone.valid_to = name, code, valid_from, valid_to
    return clone


def _insert_into(tariff: Tariff, row: Any) -> None:
    """A row of another tariff, as a new one of this."""
    row.pk = None
    row._state.adding = True
    row.tariff = tariff
    row.save(force_insert=True)
