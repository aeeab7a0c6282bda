"""What this app tells of a guardian: the household, its children, the requests and files, the login.

Of the other adults only the name is told: their telephone, their address and, of another home, its street and
quotient are theirs. The service's notes are the family's to ask for (RGPD, article 15), but may speak of
others: they are in a copy only when the desk has read them over and says so.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from django.db.models import Q

from families.models import (
    AuthorisedPerson,
    CalendarLink,
    ChangeRequest,
    ChildHealth,
    CivilIdentity,
    CustodyCalendar,
    Diet,
    Document,
    ErasureRequest,
    Guardian,
    HomeDiet,
    HouseholdNote,
    Letter,
    Paper,
    QuotientAnswer,
    QuotientConsent,
    Reading,
    ReminderChoice,
    SecurityEvent,
    TextAnswer,
    ThreadMessage,
)
from families.privacy.telling import KeptFile, Subject, Table
from portal.french.amounts import number

A_BITE = 200  # rows read at a time


def tables(subject: Subject) -> Iterator[Table]:
    yield from _household(subject)
    yield from _children(subject)
    yield from _traces(subject)


def _household(subject: Subject) -> Iterator[Table]:
    home, guardian, user = subject.household, subject.guardian, subject.user
    yield Table(
        "Vous",
        ("Prénom", "Nom", "Téléphone", "Téléphone professionnel", "Reçoit les factures"),
        [
            (
                guardian.first_name,
                guardian.last_name,
                guardian.phone,
                guardian.phone_work,
                guardian.is_payer,
            )
        ],
    )
    if guardian.email_given:
        yield Table("Adresse e-mail donnée à la mairie", ("Adresse e-mail",), [(guardian.email_given,)])
    numbers = home.source_numbers.order_by("pk").values_list("source", "number")
    if found := list(numbers):
        yield Table("Vos numéros dans d'autres logiciels", ("Logiciel", "Numéro"), found)
    if user is not None:
        yield Table(
            "Votre compte",
            ("Identifiant", "Adresse e-mail", "Créé le", "Dernière connexion"),
            [(user.username, user.email, user.date_joined, user.last_login)],
        )
    links = CalendarLink.objects.filter(guardian=guardian)
    yield Table(
        "Votre lien d'agenda",
        ("Créé le", "Montre les fermetures", "Enfants non montrés", "Services non montrés"),
        (
            (
                link.made_at,
                link.shows_closures,
                ", ".join(child.first_name for child in link.hidden_children.order_by("birth_date")),
                ", ".join(link.hidden_services),
            )
            for link in links
        ),
    )
    yield Table(
        "Votre foyer",
        ("Numéro", "Adresse", "Code postal", "Commune", "Habite la commune", "État", "Créé le"),
        [
            (
                home.number,
                ", ".join(filter(None, (home.street, home.street_more))),
                home.postcode,
                home.city,
                home.resident,
                home.get_state_display(),
                home.created_at,
            )
        ],
    )
    if subject.with_notes:
        yield Table("Notes du service", ("Notes",), [(home.notes,)] if home.notes else [])
    yield Table(
        "Les autres responsables du foyer",
        ("Prénom", "Nom"),
        (
            (one.first_name, one.last_name)
            for one in Guardian.objects.filter(household=home).exclude(pk=guardian.pk)
        ),
    )
    yield Table(
        "Quotients familiaux",
        ("Quotient", "Du", "Au"),
        ((row.value, row.valid_from, row.valid_to) for row in home.quotients.order_by("valid_from")),
    )
    yield from _funds(subject)
    yield Table(
        "Adresses enregistrées",
        ("Depuis le", "Adresse", "Code postal", "Commune"),
        _addresses(subject),
    )
    yield Table(
        "Demandes à la mairie",
        ("Demande", "Faite le", "Contenu", "État", "Réponse le", "Motif du refus"),
        (
            (
                row.get_kind_display(),
                row.requested_at,
                _asked(row),
                row.get_state_display(),
                row.decided_at,
                row.refusal_reason,
            )
            for row in home.change_requests.order_by("requested_at").iterator(chunk_size=A_BITE)
        ),
    )
    yield Table(
        "Demandes d'effacement",
        ("Faite le", "Vos mots", "État", "Réponse le", "Motif du refus"),
        (
            (row.requested_at, row.words, row.get_state_display(), row.decided_at, row.refusal_reason)
            for row in ErasureRequest.objects.filter(household=home).order_by("requested_at")
        ),
    )
    yield Table(
        "Papiers demandés",
        ("Papier", "Enfant", "Envoyé le", "Vu au guichet le", "État", "Du", "Au", "Motif du refus"),
        (
            (
                str(row.kind),
                str(row.child or ""),
                row.sent_at,
                row.seen_on,
                row.get_state_display(),
                row.starts_on,
                row.ends_on,
                row.refusal_reason,
            )
            for row in Paper.objects.filter(household=home).select_related("kind", "child").order_by("pk")
        ),
    )
    answers = TextAnswer.objects.filter(household=home).select_related("version__text", "child")
    yield Table(
        "Textes acceptés et consentements",
        ("Texte", "Version du", "Enfant", "Réponse", "Le", "Par", "Signé sur papier le"),
        (
            (
                str(row.version.text),
                row.version.starts_on,
                str(row.child or ""),
                "oui" if row.accepted else "non",
                row.at,
                row.by_name,
                row.signed_on,
            )
            for row in answers.order_by("pk")
        ),
    )
    yield from _threads(subject)
    yield Table(
        "Fichiers envoyés",
        ("Fichier", "Envoyé le", "Dans cette copie"),
        ((row.name, row.uploaded_at, _path(row)) for row in _documents(subject)),
    )


def _threads(subject: Subject) -> Iterator[Table]:
    """What the home and the town hall wrote to each other; what agents wrote for colleagues is told with the
    service's notes only."""
    said = ThreadMessage.objects.filter(thread__household=subject.household).select_related("thread__child")
    if not subject.with_notes:
        said = said.exclude(side=ThreadMessage.Side.NOTE)
    yield Table(
        "Échanges avec la mairie",
        ("Sujet", "Enfant", "Le", "De", "Écrit par", "Texte"),
        (
            (
                row.thread.subject,
                str(row.thread.child or ""),
                row.at,
                row.get_side_display(),
                row.by_name,
                row.text,
            )
            for row in said.order_by("thread", "at", "pk").iterator(chunk_size=A_BITE)
        ),
    )
    if subject.with_notes:
        notes = HouseholdNote.objects.filter(household=subject.household).select_related("child")
        yield Table(
            "Notes des agents sur votre foyer",
            ("Le", "Enfant", "Texte", "Retirée le"),
            (
                (row.at, str(row.child or ""), row.text, row.withdrawn_at)
                for row in notes.order_by("at", "pk").iterator(chunk_size=A_BITE)
            ),
        )


def _funds(subject: Subject) -> Iterator[Table]:
    """One's own consents with the identity that stands, and what came of the household's questions."""
    mine = QuotientConsent.objects.filter(guardian=subject.guardian).order_by("given_at")
    yield Table(
        "Vos accords pour demander le quotient à la CAF ou à la MSA",
        ("Donné le", "Signé sur papier le", "Texte accepté", "Arrêté le", "Arrêté par"),
        ((row.given_at, row.signed_on, row.words, row.ended_at, row.ended_by_name) for row in mine),
    )
    rows = CivilIdentity.objects.filter(consent__guardian=subject.guardian)
    yield Table(
        "Votre état civil, donné pour cela",
        ("Nom de naissance", "Nom d'usage", "Prénoms", "Né(e) le", "Sexe", "Pays", "Commune", "Département"),
        (
            (
                row.birth_name,
                row.used_name,
                row.first_names,
                row.birth_date,
                row.sex,
                row.country,
                row.town,
                row.department,
            )
            for row in rows
        ),
    )
    answers = QuotientAnswer.objects.filter(household=subject.household).exclude(asked_at=None)
    yield Table(
        "Réponses de la CAF et de la MSA",
        ("Demandé le", "Quotient", "Caisse", "Mois", "Sans réponse"),
        ((row.asked_at, row.value, row.fund, row.month, row.why) for row in answers.order_by("asked_at")),
    )


def _addresses(subject: Subject) -> Iterator[tuple[datetime, str, str, str]]:
    """The address as it was, each time it changed."""
    before: tuple[str, str, str] | None = None
    history = subject.household.history.order_by("history_date", "history_id")
    for row in history.iterator(chunk_size=A_BITE):
        here = (", ".join(filter(None, (row.street, row.street_more))), row.postcode, row.city)
        if here != before:
            yield row.history_date, *here
        before = here


def _asked(row: ChangeRequest) -> str:
    if row.kind == ChangeRequest.Kind.QUOTIENT and row.quotient is not None:
        return f"{number(row.quotient)} à partir du {row.valid_from:%d/%m/%Y}"
    if row.first_name:
        return " ".join(filter(None, (row.first_name, row.last_name, row.email)))
    return " ".join(part for part in (row.street, row.street_more, row.postcode, row.city) if part)


def _children(subject: Subject) -> Iterator[Table]:
    children = subject.children
    diets = dict(Diet.objects.filter(choices__child__in=children).values_list("choices__child", "name"))
    yield Table(
        "Vos enfants",
        (
            "Prénom",
            "Nom",
            "Date de naissance",
            "Régime alimentaire",
            "Peut être pris en photo",
            "Peut repartir seul(e)",
            "Soins d'urgence autorisés",
        ),
        (
            (
                child.first_name,
                child.last_name,
                child.birth_date,
                diets.get(child.pk, ""),
                child.photo_allowed,
                child.leaves_alone,
                child.emergency_care_allowed,
            )
            for child in children
        ),
    )
    yield Table(
        "Fiches sanitaires",
        ("Enfant", "PAI", "Allergies", "Traitement", "Médecin", "Son téléphone", "Mise à jour le"),
        (
            (
                str(row.child),
                row.has_pai,
                row.allergies,
                row.treatment,
                row.doctor,
                row.doctor_phone,
                row.updated_at,
            )
            for row in ChildHealth.objects.filter(child__in=children).select_related("child")
        ),
    )
    yield Table(
        "Personnes autorisées à venir chercher vos enfants",
        ("Enfant", "Nom", "Lien", "Téléphone"),
        (
            (str(row.child), row.name, row.relationship, row.phone)
            for row in AuthorisedPerson.objects.filter(child__in=children).select_related("child")
        ),
    )
    yield Table(
        "Calendriers de garde",
        ("Enfant", "Proposé le", "État", "Semaines paires chez vous", "Jour du changement", "Vacances"),
        (
            (
                str(row.child),
                row.asked_at,
                row.get_state_display(),
                row.even_id == subject.household.pk,
                f"{row.get_weekday_display()} {row.get_moment_display()}",
                row.get_holidays_display(),
            )
            for row in CustodyCalendar.objects.filter(
                Q(even=subject.household) | Q(odd=subject.household), child__in=children
            ).select_related("child")
        ),
    )
    yield Table(
        "Régimes alimentaires que votre foyer a indiqués",
        ("Enfant", "Régime", "Le"),
        (
            (str(row.child), str(row.diet), row.said_at)
            for row in HomeDiet.objects.filter(
                household=subject.household, child__in=children
            ).select_related("child", "diet")
        ),
    )
    yield Table(
        "Responsables de l'autre foyer de vos enfants",
        ("Prénom", "Nom"),
        (
            (one.first_name, one.last_name)
            for one in Guardian.objects.filter(household__custodies__child__in=children)
            .exclude(household=subject.household)
            .distinct()
        ),
    )


def _traces(subject: Subject) -> Iterator[Table]:
    # Who of the staff read is not told here: that somebody entitled did, what, and when (article 15).
    read = Reading.objects.filter(Q(household=subject.household) | Q(child__in=subject.children))
    yield Table(
        "Consultations de votre dossier par la mairie",
        ("Le", "Quoi", "Enfant"),
        (
            (row.at, row.get_kind_display(), str(row.child or ""))
            for row in read.select_related("child").order_by("at").iterator(chunk_size=A_BITE)
        ),
    )
    on_paper = Q(household=subject.household, state__in=(Letter.State.PAPER, Letter.State.PRINTED))
    letters = Letter.objects.filter(Q(guardian=subject.guardian) | on_paper).order_by("posted_at", "pk")
    yield Table(
        "Messages que nous vous avons envoyés",
        ("Le", "Objet", "Texte", "État"),
        (
            (row.posted_at, row.subject, row.text, row.get_state_display())
            for row in letters.iterator(chunk_size=A_BITE)
        ),
    )
    choices = ReminderChoice.objects.filter(guardian=subject.guardian)
    yield Table(
        "Rappels que vous avez choisis ou arrêtés",
        ("Rappel", "Souhaité", "Choisi le"),
        ((row.kind, row.wanted, row.chosen_at) for row in choices),
    )
    if subject.user is not None:
        events = SecurityEvent.objects.filter(user=subject.user).order_by("at")
        yield Table(
            "Connexions de votre compte",
            ("Le", "Événement"),
            ((row.at, row.get_kind_display()) for row in events.iterator(chunk_size=A_BITE)),
        )


def _documents(subject: Subject) -> Iterator[Document]:
    rows = Document.objects.filter(household=subject.household)
    return rows.order_by("pk").iterator(chunk_size=A_BITE)


def _path(document: Document) -> str:
    return f"documents/{document.pk}-{document.name}"


def files(subject: Subject) -> Iterator[KeptFile]:
    for document in _documents(subject):
        yield KeptFile(_path(document), partial(_pieces, document))


def _pieces(document: Document) -> Iterator[bytes]:
    with document.file.open("rb") as file:
        yield from file.chunks()
