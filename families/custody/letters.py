"""Letters about who may see a child: a custody that ended, an access that is asked for, or opened."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from families import emails
from families.custody import invitations
from families.models import AccessOpening, Child, Custody, Guardian, Household, User
from portal import town
from portal.letters import mailing
from portal.letters.mailing import Letter

INVITATION = "families/invitation"


def child_left(custody: Custody, *, taker: Household | None, others: Iterable[Household], kept: bool) -> None:
    """To the household that the child leaves, and to its other ones: each reads nothing of the other."""
    context: dict[str, Any] = {"name": "", "child": custody.child, "until": custody.until, "kept": kept}
    context["last_day"] = custody.until - timedelta(days=1) if custody.until else None
    mailing.post(
        "families/child_left", emails.addresses(custody.household_id), context | {"handed": taker is not None}
    )
    for home in others:
        mailing.post(
            "families/child_stays",
            emails.addresses(home.pk),
            context | {"handed": taker is not None and taker.pk == home.pk},
        )


# What became of a custody calendar, and whether there is something to answer.
CALENDAR_NEWS = {
    "proposed": "L'autre foyer propose un calendrier de garde. Il attend votre réponse.",
    "written": "La mairie a enregistré un calendrier de garde.",
    "confirmed": "Le calendrier de garde est confirmé : le portail indique à qui revient chaque jour.",
    "refused": "Le calendrier de garde que vous aviez proposé n'a pas été accepté.",
    "stopped": "Le calendrier de garde n'est plus suivi : aucun jour n'est plus marqué.",
}


def calendar_news(child: Child, news: str, homes: Iterable[Household]) -> None:
    """To homes of a child, by a key of CALENDAR_NEWS: never which days are whose."""
    for home in homes:
        context = {"child": child, "said": CALENDAR_NEWS[news], "answers": news == "proposed"}
        mailing.post("families/custody_calendar", emails.addresses(home.pk), context)


def asked(opening: AccessOpening, there: Iterable[Guardian], may_answer: Iterable[Guardian]) -> None:
    """To every guardian already there, or to the town where there is none; who may answer reads where."""
    answering = {guardian.pk for guardian in may_answer}
    written = False
    for guardian in there:
        if guardian.user is None or not guardian.user.email:
            continue
        written = True
        mailing.post(
            "families/opening_asked",
            [guardian.user.email],
            {
                "name": guardian.first_name,
                "opening": opening,
                "same_household": guardian.household_id == opening.household_id,
                "may_answer": guardian.pk in answering,
                "to_town": False,
            },
            home=guardian.household_id,
        )
    if not written:
        context = {"name": "", "opening": opening, "to_town": True}
        context |= {"same_household": False, "may_answer": False}
        mailing.post("families/opening_asked", [town.current().email], context)


def waits(opening: AccessOpening) -> None:
    """To whom the access is for: it is asked for, and what happens next."""
    if opening.guardian is not None:
        context = {"name": opening.guardian.first_name, "opening": opening, "username": _login(opening)}
        mailing.post("families/opening_waits", [opening.address], context)


def invitation(opening_id: int) -> Letter | None:
    """To the address invited: who invites, and a link that holds once. None where there is nothing to agree
    to any more."""
    opening = AccessOpening.objects.select_related("guardian", "household").filter(pk=opening_id).first()
    if opening is None or not invitations.is_open(opening, at=timezone.now()):
        return None
    context = {
        "name": opening.guardian.first_name if opening.guardian else "",
        "opening": opening,
        "url": invitations.url(opening),
    }
    return Letter(opening.address, context)


def opened(opening: AccessOpening) -> None:
    """To whom it is open now; of an invitation, to the other adults of the household too."""
    if opening.is_invitation and opening.guardian and opening.user:
        to = emails.addresses(opening.household_id)
        mailing.post("families/joined", to, {"opening": opening, "number": opening.household.number})
    elif opening.kind == AccessOpening.Kind.GUARDIAN and opening.guardian and opening.user:
        emails.access_opened(opening.guardian, opening.user, known=opening.is_of_joining)
    else:
        context = {"name": "", "opening": opening}
        mailing.post("families/home_opened", emails.addresses(opening.household_id), context)


def address_changed(opening: AccessOpening, former: str) -> None:
    """To the address that an account had until the town hall changed it."""
    mailing.post("families/address_changed", [former], {"name": "", "opening": opening})


def removed(guardian: Guardian, by: User) -> None:
    """To an adult whom the town hall takes out of a household: nobody loses an access unseen."""
    if guardian.user is not None:
        context = {"name": guardian.first_name, "by": by.get_full_name() or by.username}
        mailing.post("families/access_removed", [guardian.user.email], context)


def _login(opening: AccessOpening) -> str:
    return opening.user.username if opening.user else ""
