"""A child's file changes: who may collect it, how it is. What was written in one home is told in the other.

The guardians of the child's other households get a letter; where the town hall wrote, those of all. A letter
names whoever may collect the child, as the file does in both homes, and never says what a health file says.
"""

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from families import emails
from families.models import AuthorisedPerson, Child, Household
from families.visibility import holds
from portal.letters import mailing


def authorise(child: Child, said: Mapping[str, str], *, by: Household) -> AuthorisedPerson:
    """Somebody who may collect the child from now on; written once even where it is sent twice."""
    with transaction.atomic():
        people = Child.objects.select_for_update().get(pk=child.pk).authorised_people
        if known := people.filter(**said).first():
            return known
        person = people.create(**said)
        tell(child, [added(person)], by=by)
    return person


def withdraw(person: AuthorisedPerson, *, by: Household) -> None:
    """Nobody collects the child any more by this name."""
    with transaction.atomic():
        person.delete()
        tell(person.child, [removed(person)], by=by)


def tell(child: Child, news: Sequence[str], *, by: Household | None) -> None:
    """One letter of all the news to each guardian of the other households in which the child lives today;
    `by` None is the town hall."""
    if not news:
        return
    here = holds(timezone.localdate(), "custodies")
    homes = Household.objects.filter(here, custodies__child=child).order_by("pk")
    knows = emails.addresses(by) if by else {}
    for home in homes:
        if home != by:
            reached = emails.addresses(home)
            others = ((one, reached[one]) for one in reached.keys() - knows.keys())
            to = mailing.Addressees(others, home.pk, on_paper=reached.on_paper)
            emails.child_file_changed(child, news, to, author="L'autre foyer" if by else "La mairie")


# The news ---------------------------------------------------------------------------------------------


def added(person: AuthorisedPerson) -> str:
    return f"{person} peut maintenant venir chercher {person.child.first_name}."


def changed(person: AuthorisedPerson) -> str:
    return f"Les coordonnées de {person}, qui peut venir chercher {person.child.first_name}, ont changé."


def removed(person: AuthorisedPerson) -> str:
    return f"{person} ne peut plus venir chercher {person.child.first_name}."


def diet_changed(child: Child) -> str:
    return f"Le régime alimentaire de {child.first_name} a été modifié."


def health_changed(child: Child) -> str:
    return f"La fiche sanitaire de {child.first_name} a été modifiée."
