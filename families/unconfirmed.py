"""Requests for an account whose e-mail address was never confirmed: forgotten, as the privacy notice says."""

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import QuerySet

from families.models import Child, Guardian, Household, User


def stale(*, before: datetime) -> QuerySet[Household]:
    """Households asked for before the aware moment `before` by nobody who confirmed an address."""
    confirmed = EmailAddress.objects.filter(verified=True).values("user_id")
    asked = Household.objects.filter(state=Household.State.REQUESTED, created_at__lt=before)
    return asked.exclude(guardians__user__in=confirmed).filter(
        pk__in=Guardian.objects.filter(user__isnull=False).values("household_id")
    )


@transaction.atomic
def forget(households: QuerySet[Household]) -> int:
    """Deletes them. Their logins and children go with them, unless another household has the child.
    Returns how many."""
    ids = list(households.values_list("pk", flat=True))
    elsewhere = Guardian.objects.exclude(household__in=ids).filter(user__isnull=False).values("user_id")
    logins = User.objects.filter(guardians__household__in=ids, is_staff=False).exclude(pk__in=elsewhere)
    User.objects.filter(pk__in=logins.values("pk")).delete()
    children = list(Child.objects.filter(households__in=ids).values_list("pk", flat=True))
    Household.objects.filter(pk__in=ids).delete()
    Child.objects.filter(pk__in=children, households=None).delete()
    return len(ids)
