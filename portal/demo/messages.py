"""What the town hall wrote to many families: one message that has left, and a draft for `agent`."""

from datetime import datetime, timedelta

from django.utils import timezone

from families.messages import sending, wording
from families.messages.own_parts import Families
from families.models import FamilyMessage, Guardian, Letter, MessageCopy
from portal.demo.people import DemoHome, People

READERS = 12
PICNIC = (
    "Vendredi, la cuisine centrale est en travaux\xa0: le repas de {enfants} sera un pique-nique froid, au "
    "même prix. Les régimes sont respectés.\n\nVous n'avez rien à faire."
)
MEETING = (
    "Nous vous attendons mardi à 18 h, salle des fêtes, pour parler de l'accueil de loisirs de l'été.\n\n"
    "Un mot de {prénom} nous aide à compter les chaises\xa0: répondez par le portail, {portail}."
)


def write(people: People, at: datetime) -> None:
    """`parent` reads the one that left under « Mes messages »; no mail reaches one of its families, whose
    letter waits to be printed."""
    homes = [people.parent, people.neighbour, *people.others][:READERS]
    homes = [home for home in homes if home.household.is_accepted]
    silent = homes[-1]
    since = at - timedelta(days=20)
    Guardian.objects.filter(user=silent.user).update(
        unreached_address=silent.user.email, unreached_since=since, unreached_why="550 5.1.1 inconnu"
    )
    _sent(people, homes, silent, at - timedelta(days=3))
    FamilyMessage.objects.create(
        subject="Réunion des familles",
        text=MEETING,
        audience={f"{Families.code}-everyone": ["on"]},
        written_by=people.agent,
        written_at=at - timedelta(hours=2),
    )


def _sent(people: People, homes: list[DemoHome], silent: DemoHome, at: datetime) -> None:
    """Its rows as `sending` leaves them, without mails that would really leave."""
    keys = [home.household.pk for home in homes]
    message = FamilyMessage.objects.create(
        subject="Pique-nique de vendredi",
        text=PICNIC,
        audience={f"{Families.code}-homes_chosen": [str(key) for key in keys]},
        to_whom=f"{len(keys)} foyers choisis",
        state=FamilyMessage.State.SENT,
        written_by=people.agent,
        written_at=at,
        sent_by=people.agent,
        sent_at=at,
        ended_at=at,
    )
    facts = wording.Facts(keys, timezone.localdate(at))
    for home in homes:
        for adult in Guardian.objects.filter(household=home.household, user=home.user):
            _copy(message, home, adult, facts, at)
    _copy(message, silent, None, facts, at)


def _copy(
    message: FamilyMessage, home: DemoHome, adult: Guardian | None, facts: wording.Facts, at: datetime
) -> None:
    to = home.user.email if adult is not None else ""
    said = sending.written_to(message, home.household, adult, facts, to=to)
    letter = Letter.objects.create(
        household=home.household,
        guardian=adult,
        to=to,
        kind=sending.KIND,
        subject=said.subject,
        text=said.text,
        state=Letter.State.PAPER if adult is None else Letter.State.SENT,
        posted_at=at,
        sent_at=at if adult is not None else None,
    )
    MessageCopy.objects.create(
        message=message, household=home.household, guardian=adult, letter=letter, written_at=at
    )
