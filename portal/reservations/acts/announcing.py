"""What a closure tells on « Mon compte famille »: the only writer of the notices that closures put there."""

from datetime import date, timedelta

from django.db import transaction
from django.utils.text import capfirst

from portal.french import moments
from portal.reservations.days import notices
from portal.reservations.models import Closure, Notice

TITLE_LENGTH = 80
# What is further away is told by the planning.
AHEAD = timedelta(days=14)
IMPORTANT = (Closure.Why.STRIKE,)


@transaction.atomic
def announce(closure: Closure, *, today: date) -> Notice | None:
    """Puts the closure's notice there, from AHEAD of it to its last day, or brings it up to date: words that
    somebody wrote stay. None where nothing closes any more, or only in the past."""
    if closure.opens or closure.ends_on < today:
        withdraw(closure)
        return None
    notice = Notice.objects.filter(closure=closure).first() or Notice(
        closure=closure, starts_on=max(today, closure.starts_on - AHEAD), by_hand=False
    )
    notice.ends_on = closure.ends_on
    notice.starts_on = min(notice.starts_on, notice.ends_on)
    if not notice.by_hand:
        notice.title = capfirst(closure.reason)[:TITLE_LENGTH]
        notice.text = text_of(closure)
        urgent = closure.why in IMPORTANT
        notice.level = Notice.Level.IMPORTANT if urgent else Notice.Level.INFORMATION
    notice.save()
    school = closure.school_class.school if closure.school_class else None
    place = closure.establishment or school
    notice.places.set([place] if place else [])
    notices.current.forget()
    return notice


def withdraw(closure: Closure) -> bool:
    """The closure tells nothing any more; whether it did."""
    removed, _ = Notice.objects.filter(closure=closure).delete()
    notices.current.forget()
    return bool(removed)


def text_of(closure: Closure) -> str:
    """« Restauration scolaire, École Jules-Ferry : fermé le jeudi 3 décembre. »"""
    named = [str(one) for one in (closure.activity, closure.establishment, closure.school_class) if one]
    days = moments.span(closure.starts_on, closure.ends_on)
    what = ", ".join(named) or "Toutes les activités de la commune"
    return f"{what}\xa0: pas d'accueil {days}. Ce qui était réservé ces jours-là est annulé sans frais."
