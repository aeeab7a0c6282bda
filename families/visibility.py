"""What a family's login may see, said once: what belongs to a household in which it is a guardian and, of
what is about a child, as long as the child lives there.

Whatever changes in the rights of a parent or of custody changes here. Custody is asked for today: an old
enrolment, or a day booked long ago, gives no right to a child that has left. What was billed is the
household's, and stays readable to it.
"""

from datetime import date
from typing import ClassVar, Self, TypeAlias, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from portal.database import trials
from portal.database.composed import Given

Login: TypeAlias = AbstractBaseUser | AnonymousUser
Row = TypeVar("Row", bound=models.Model)


def belongs_to(user: Login | Given, household: str) -> Q:
    """Of rows whose household is at path `household`, or is the row itself where that is empty: the user's.

    Each row is found once, since a login is one guardian of a household at most. Who belongs to two
    households sees what is either's; which of them a page shows says `families.which_home`. Who tries a
    household sees that one alone. Raises TypeError for nobody's login.
    """
    path = f"{household}__guardians__user" if household else "guardians__user"
    tried = trials.current()
    mine = Q(**{path: user})
    return mine if tried is None else mine & Q(**{household or "pk": tried.household})


def holds(day: date | F, custody: str = "") -> Q:
    """Of rows whose custody is at path `custody`, or is the row itself: those whose custody holds on `day`,
    which may be another column."""
    path = f"{custody}__" if custody else ""
    begun = Q(**{f"{path}since": None}) | Q(**{f"{path}since__lte": day})
    return begun & (Q(**{f"{path}until": None}) | Q(**{f"{path}until__gt": day}))


def lives_at(day: date | F, household: str = "household", child: str = "child") -> Q:
    """Of rows about a child and a household, at these paths: those whose child lives there on `day`.

    Each row is found once, since there is one custody for a child and a household.
    """
    custody = f"{household}__custodies" if household else "custodies"
    return Q(**{f"{custody}__child": F(child)}) & holds(day, custody)


class VisibleQuerySet(models.QuerySet[Row]):
    """Rows of a household; `of_household` is the path to it, `of_child` to the child that they are about."""

    of_household: ClassVar[str] = "household"
    of_child: ClassVar[str] = ""

    def visible_to(self, user: Login | Given, today: date | None = None) -> Self:
        """Those of the user's own households, about children that live there today: the other home of a
        child sees its own only."""
        mine = belongs_to(user, self.of_household)
        if self.of_child:
            mine &= lives_at(today or timezone.localdate(), self.of_household, self.of_child)
        return self.filter(mine)


class OfChild(VisibleQuerySet[Row]):
    """Rows of a household about one of its children."""

    of_child = "child"

    def of_home(self, household: models.Model | Given, day: date) -> Self:
        """Those of a household about the children that live there on `day`."""
        return self.filter(lives_at(day, self.of_household, self.of_child), **{self.of_household: household})


class OfGuardian(VisibleQuerySet[Row]):
    """Rows about one adult of a household, which the other one does not read."""

    def visible_to(self, user: Login | Given, today: date | None = None) -> Self:
        return super().visible_to(user, today).filter(guardian__user=user)
