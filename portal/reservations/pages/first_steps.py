"""« Ma liste »: what a new family can prepare, also while the town hall has not answered yet."""

from dataclasses import dataclass
from datetime import date

from django.urls import reverse

from families import at_home
from families.custody import homes
from families.models import AskedText, ChangeRequest, ChildHealth, Household
from families.texts import standing
from families.texts.standing import Line
from portal.french import moments
from portal.french.amounts import number
from portal.french.elision import of
from portal.french.plurals import counted
from portal.reservations.pages import blocks
from portal.reservations.pages.services import SERVICES


@dataclass(frozen=True)
class Step:
    """`url` is empty where nothing is left to do."""

    title: str
    text: str
    url: str
    done: bool


@dataclass(frozen=True)
class Steps:
    all: list[Step]

    @property
    def done(self) -> int:
        return sum(one.done for one in self.all)

    @property
    def next(self) -> Step | None:
        """The first that is not done."""
        return next((one for one in self.all if not one.done), None)


def steps_of(household: Household, today: date) -> Steps | None:
    """The list, or None where it is of no use: refused, or a child is enrolled. Two queries beside those of
    the page's blocks."""
    if household.state == Household.State.REFUSED or (
        household.is_accepted and blocks.is_enrolled(household)
    ):
        return None
    children = homes.children(household, today)
    facts = at_home.facts(household, today)
    addresses = [one.user.email for one in facts.guardians if one.user]
    steps = [Step("Adresse e-mail confirmée", moments.listing(addresses), "", done=True)]
    named = [f"{child.first_name}, {at_home.age_in_words(child.age_on(today))}" for child in children]
    if children:
        title = counted(len(children), "enfant ajouté", "enfants ajoutés")
        steps.append(Step(title, " ; ".join(named), "", done=True))
    with_file = set(ChildHealth.objects.filter(child__in=children).values_list("child_id", flat=True))
    steps += [
        Step(
            f"Fiche sanitaire {of(child.first_name)}",
            "3 minutes : allergies, traitement, médecin.",
            reverse("families:health", args=[child.pk]),
            done=child.pk in with_file,
        )
        for child in children
    ]
    sent = facts.waits(ChangeRequest.Kind.QUOTIENT)
    steps.append(
        Step(
            "Quotient familial et son attestation",
            _quotient_in_words(facts),
            reverse("families:quotient"),
            done=sent or facts.quotient is not None,
        )
    )
    steps += [
        Step(
            str(name),
            "À lire une fois, pour tous vos enfants et toutes les activités.",
            reverse("families:asked_text", args=[name.code]),
            done=not any(one.is_to_do for one in lines),
        )
        for name, lines in _texts(household, today).items()
    ]
    if children:
        steps += [_enrolment_step(household, slug) for slug in SERVICES]
    return Steps(steps)


def _texts(household: Household, today: date) -> dict[AskedText, list[Line]]:
    """What every family is asked to read, in the town's order."""
    found: dict[AskedText, list[Line]] = {}
    for line in standing.of_home(household, today):
        if line.text.everywhere:
            found.setdefault(line.text, []).append(line)
    return found


def _quotient_in_words(facts: at_home.HouseholdFacts) -> str:
    if facts.waits(ChangeRequest.Kind.QUOTIENT):
        return "Envoyé : la mairie le vérifie."
    if facts.quotient is not None:
        return f"Quotient connu : {number(facts.quotient.value)}."
    return "Une photo de l'attestation suffit. Sans elle, le tarif le plus élevé s'applique."


def _enrolment_step(household: Household, slug: str) -> Step:
    service = SERVICES[slug]
    text = (
        "École, classe, régime, jours : une fois par an et par enfant."
        if service.called
        else "Les activités qui conviennent à chaque enfant."
    )
    return Step(
        f"Inscriptions : {service.name}",
        text if household.is_accepted else f"{text} La mairie les reçoit avec votre foyer.",
        reverse(f"{slug}:choose_enrolment"),
        done=blocks.is_enrolled(household, slug),
    )
