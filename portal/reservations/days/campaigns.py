"""When a family may enrol, and for which year: the one answer that pages and `enrolling` share."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from families.models import Household
from portal import town
from portal.french import moments
from portal.french.sentences import lower_first
from portal.reservations.days import audiences
from portal.reservations.models import Activity, Audience, Campaign, SchoolYear


def town_hall() -> str:
    """« Appelez la mairie au 01 99 00 12 34. »: what is left to do where nothing can be done here."""
    phone = town.current().phone
    return f"Appelez la mairie au {phone}." if phone else "Adressez-vous à la mairie."


class Campaigns:
    """The years that are not over and the campaigns of a household, at one moment."""

    def __init__(self, years: list[SchoolYear], campaigns: Iterable[Campaign], at: datetime) -> None:
        self.years = years
        self.at = at
        self.today = timezone.localdate(at)
        self._of_year: dict[int, list[Campaign]] = defaultdict(list)
        for one in campaigns:
            self._of_year[one.school_year_id].append(one)

    @classmethod
    def load(cls, household: Household, *, at: datetime) -> "Campaigns":
        """In two queries, without audiences of the town's own; the years earliest first."""
        today = timezone.localdate(at)
        years = list(SchoolYear.objects.serving(today).order_by("starts_on"))
        publics = audiences.of_home(household, today)
        rows = Campaign.objects.concerning(Audience.Belonging.of(household), publics).filter(
            school_year__in=[year.pk for year in years]
        )
        return cls(years, rows.select_related("audience"), at)

    def deciding(self, activity: Activity, year: SchoolYear) -> Campaign | None:
        """The campaign that decides; None: it opens as usual."""
        return next((one for one in self._of_year[year.pk] if one.activity_id in (None, activity.pk)), None)

    def of_year(self, year: SchoolYear) -> list[Campaign]:
        """Those of the household for that year, the one that decides first."""
        return self._of_year[year.pk]

    def in_campaign(self, activity: Activity, year: SchoolYear) -> Campaign | None:
        """The campaign in which the family can enrol now; None where it cannot, or where none is needed."""
        campaign = self.deciding(activity, year)
        return campaign if campaign is not None and campaign.is_open(self.at) else None

    def closed(self, activity: Activity, year: SchoolYear) -> str:
        """Why the family cannot enrol now, in a sentence that says what to do; empty: it can."""
        campaign = self.deciding(activity, year)
        if campaign is None:
            return self._usually_closed(activity, year)
        named = f"Les inscriptions {year}"
        audience = campaign.audience
        if audience is not None:
            whom = "" if audience.is_usual else audience.words
            named += f" ({whom or lower_first(audience.label)})"
        if self.at < campaign.opens_at:
            return f"{named} ouvrent le {moments.moment(campaign.opens_at, year=True)}."
        if campaign.closes_at is not None and self.at >= campaign.closes_at:
            return f"{named} sont closes {moments.since(campaign.closes_at, year=True)}. {town_hall()}"
        return ""

    def open_years(self, activities: Iterable[Activity]) -> list[SchoolYear]:
        """Those for which the family can enrol for one of `activities`: the one that is usual first, then the
        earliest."""
        known = list(activities)
        usual = self._usual
        found = [year for year in self.years if any(not self.closed(one, year) for one in known)]
        return sorted(found, key=lambda year: (year != usual, year.starts_on))

    @property
    def _usual(self) -> SchoolYear | None:
        """The year whose classes go on, or else the next."""
        return next((year for year in self.years if year.ends_on >= self.today), None)

    def _usually_closed(self, activity: Activity, year: SchoolYear) -> str:
        if year == self._usual:
            return ""
        if year.starts_on > self.today:
            return f"Les inscriptions {year} ne sont pas encore ouvertes."
        # Its classes are over; its holidays last until the next year begins.
        if year not in self.years or activity.during == Activity.During.TERM:
            return f"L'année scolaire {year} est finie."
        return ""
