"""Requests for an account whose e-mail address was never confirmed: forgotten, as the privacy notice says."""

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import transaction

from families.models import Child, Household, User


@transaction.atomic
def forget(*, before: datetime) -> int:
    """Deletes households asked for before the aware moment `before` by nobody who confirmed an address.

    Their logins and children go with them, unless another household has the child. Returns how many.
    """
    confirmed = EmailAddress.objects.filter(verified=True).values("user_id")
    stale = Household.objects.filter(state=Household.State.REQUESTED, created_at__lt=before).exclude(
        guardians__user__in=confirmed
    )
    ids = list(stale.filter(guardians__user__isnull=False).values_list("pk", flat=True).distinct())
    User.objects.filter(guardian__household__in=ids, is_staff=False).delete()
    children = list(Child.objects.filter(households__in=ids).values_list("pk", flat=True))
    Household.objects.filter(pk__in=ids).delete()
    Child.objects.filter(pk__in=children, households=None).delete()
    return len(ids)
