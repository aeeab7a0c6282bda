"""What a family's login may see, said once: what belongs to a household in which it is a guardian.

Whatever changes in the rights of a parent or of custody changes here.
"""

from typing import Self, TypeAlias, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q

Login: TypeAlias = AbstractBaseUser | AnonymousUser
Row = TypeVar("Row", bound=models.Model)


def belongs_to(user: Login, household: str) -> Q:
    """Of rows whose household is at path `household`, or is the row itself where that is empty: the user's.

    Each row is found once, since a login is one guardian at most. Raises TypeError for nobody's login.
    """
    path = f"{household}__guardians__user" if household else "guardians__user"
    return Q(**{path: user})


class VisibleQuerySet(models.QuerySet[Row]):
    """Rows of a household; `of_household` is the path to it."""

    of_household = "household"

    def visible_to(self, user: Login) -> Self:
        """Those of the user's own household: the other home of a child sees its own only."""
        return self.filter(belongs_to(user, self.of_household))
