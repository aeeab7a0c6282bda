"""The one way in which guardians are told of events: by mail. Another way would be another function beside
`_by_mail`, and its turn in `tell`."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from families.models import Guardian
from families.reminders import choices
from families.reminders.kinds import Kind, Line, News
from portal.letters import mailing


@dataclass(frozen=True)
class Part:
    """What a mail says of one kind."""

    kind: Kind
    news: tuple[News, ...]

    @property
    def lines(self) -> list[Line]:
        return self.kind.say(self.news)


@dataclass(frozen=True)
class Told:
    """All that one guardian is told this evening."""

    guardian: Guardian
    parts: tuple[Part, ...]


def tell(told: Sequence[Told]) -> None:
    """Each guardian gets one mail, whatever the number of kinds; after the commit."""
    mailing.post_all([letter for one in told for letter in _by_mail(one)])


def _by_mail(told: Told) -> list[mailing.Posted]:
    guardian = told.guardian
    if guardian.user is None or not guardian.user.email:
        return []
    stop = reverse("families:stop_reminders", args=[choices.token(guardian)])
    address = settings.PORTAL_URL.rstrip("/") + stop
    subject = told.parts[0].kind.heading if len(told.parts) == 1 else "Vos rappels de ce soir"
    context = {
        "name": guardian.first_name,
        "heading": subject,
        "parts": told.parts,
        "stop": address,
    }
    headers = {"List-Unsubscribe": f"<{address}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return mailing.written(
        "families/reminders", [guardian.user.email], context, headers, guardian.household_id
    )
