"""What families wrote to the town hall and were answered, what agents noted, what all families read."""

from datetime import datetime, timedelta

from django.utils import timezone

from families import notes
from families.models import ReadyAnswer, Thread, ThreadKind
from families.threads import places, writing
from families.threads.writing import Said
from portal.demo.people import People
from portal.reservations.acts import announcing
from portal.reservations.models import Closure, Establishment, Notice

A_DAY = timedelta(days=1)
READY = (
    (
        "Nous vérifions",
        2,
        "Bonjour {prénom},\n\nnous vérifions avec le restaurant et revenons vers vous sous trois jours."
        "\n\n{service}",
    ),
    (
        "Où trouver ses factures",
        None,
        "Bonjour {prénom},\n\nvos factures et vos reçus sont sous « Factures » : {portail}\n\n{service}",
    ),
)
KINDS = ("Cantine", "Accueil de loisirs", "Facture")


def write(people: People, at: datetime) -> None:
    """`parent` reads an answer, `voisin` waits for one for four days and for another one, which a place
    has, since this morning; the household of `voisin` opens with an
    alert."""
    kinds = [ThreadKind.objects.create(name=name, order=10 * rank) for rank, name in enumerate(KINDS, 1)]
    canteen, _, bills = kinds
    for name, about, text in READY:
        ReadyAnswer.objects.create(name=name, kind=None if about is None else kinds[about], text=text)
    parent, neighbour, agent = people.parent, people.neighbour, people.agent
    text = (
        "Bonjour,\n\nles enfants seront chez leurs grands-parents la première semaine des vacances. "
        "Puis-je encore changer la semaine réservée ?\n\nMerci d'avance."
    )
    asked = writing.begin(
        parent.household,
        Said("Changer de semaine pendant les vacances", text),
        by=parent.user,
        at=at - 6 * A_DAY,
    )
    answer = (
        "Bonjour,\n\noui, tant que la date limite n'est pas passée : ouvrez votre réservation, puis "
        "«\xa0Changer pour…\xa0». Au-delà, appelez-nous, nous regarderons ensemble.\n\nBonne journée."
    )
    writing.answer(asked, answer, seen=_last(asked), by=agent, at=at - 4 * A_DAY)
    text = "Bonjour,\n\nnotre facture compte un repas le jour de la sortie. Pouvez-vous vérifier ?"
    waits = writing.begin(
        neighbour.household,
        Said("Un repas de trop sur la facture", text, bills),
        by=neighbour.user,
        at=at - 4 * A_DAY,
    )
    writing.note(waits, "Vu avec le restaurant : réponse attendue demain.", by=agent, at=at - 3 * A_DAY)
    text = "Bonjour,\n\nà quelle heure la cantine ouvre-t-elle ses inscriptions pour l'an prochain ?"
    later = writing.begin(
        neighbour.household,
        Said("Inscriptions de l'an prochain", text, canteen),
        by=neighbour.user,
        at=at - timedelta(hours=3),
    )
    for place in places.offered(later)[:1]:
        writing.hand(later, place, by=agent, at=at - timedelta(hours=2))
    today = timezone.localdate(at)
    notes.write(
        neighbour.household,
        None,
        "Rappeler cette famille au sujet de sa facture avant d'en envoyer une nouvelle.",
        today + 10 * A_DAY,
        by=agent,
        at=at - 2 * A_DAY,
    )
    notes.write(
        parent.household, None, "Préfère être appelée après 17 h.", None, by=agent, at=at - 20 * A_DAY
    )


def tell(at: datetime) -> None:
    """One notice for all, one of a place, one to come, one that is over; and what the works to come tell."""
    today = timezone.localdate(at)
    Notice.objects.create(
        title="Vacances d'hiver",
        text="Le programme des centres est sur le site de la commune.",
        starts_on=today - 3 * A_DAY,
        ends_on=today + 20 * A_DAY,
    )
    Notice.objects.create(
        title="Photo de classe",
        text="Pensez à la tenue !",
        starts_on=today - 30 * A_DAY,
        ends_on=today - A_DAY,
    )
    to_come = Notice.objects.create(
        title="Fête de l'école",
        text="Les accueils du soir ferment à 17 h ce jour-là.",
        starts_on=today + 15 * A_DAY,
        ends_on=today + 25 * A_DAY,
    )
    to_come.places.set(Establishment.objects.filter(kind=Establishment.Kind.SCHOOL).order_by("pk")[:1])
    for closure in Closure.objects.filter(ends_on__gte=today, opens=False, school_class=None):
        announcing.announce(closure, today=today)


def _last(thread: Thread) -> int:
    return max(thread.messages.values_list("pk", flat=True))
