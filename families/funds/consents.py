"""The only writer of a family's consent to ask the CAF and the MSA, and of the identity given with it.

    give(guardian, identity, by=user, at=now)     the words that were agreed to are kept with it
    give(…, by=agent, signed_on=day)              one signed on paper, which an agent writes down
    end(consent, by=user, at=now)                 the identity is erased at once, the trace stays

An adult gives an identity of their own: the first name and the birth name or the used one must be those of
the household's file, so that nobody reads a stranger's quotient by typing a name.
"""

from collections.abc import Mapping
from datetime import date, datetime

from django.db import transaction
from django.utils import timezone

from families.funds.interface import Identity
from families.models import CivilIdentity, Guardian, Household, QuotientConsent, User
from families.models.threads import named
from portal.database.encrypted import Unreadable
from portal.french.spelling import folded

_AGREED = (
    "J'autorise la mairie à demander mon quotient familial à la CAF ou à la MSA, par l'API Particulier de "
    "l'État, pour calculer les tarifs de mon foyer. Mon état civil ne sert qu'à cela, il est conservé "
    "chiffré et il est effacé dès que j'arrête cet accord. "
)
WORDS = f"{_AGREED}Je peux l'arrêter à tout moment sur cette page."
ON_PAPER = f"{_AGREED}Je peux l'arrêter à tout moment en le disant à la mairie, ou dans mon compte."
TO_SIGN = """{words}

Rien n'y oblige : une attestation de la CAF ou de la MSA suffit aussi.

À remplir par l'allocataire, comme à l'état civil :

Nom de naissance : ……………………………………………………

Nom d'usage : ……………………………………………………………

Tous les prénoms, dans l'ordre : ………………………………………………

Né(e) le : ……………………    Sexe (facultatif) : ……

Commune et département de naissance, ou pays : …………………………………

Date et signature :"""
SIGNED_LATER = "Ce jour n'est pas encore venu : écrivez la date qui est sur le papier."
NOT_OWN = (
    "Ce ne sont pas les prénom et nom que la mairie connaît de vous. Corrigez-les, ou écrivez à la mairie si "
    "c'est son dossier qui se trompe."
)
SEPARATOR = ","


class ConsentRefused(Exception):
    """Nothing was written; the message is the French sentence to show."""


def standing(household: Household) -> list[QuotientConsent]:
    """Those of a household's adults, the newest first, each with its identity."""
    rows = QuotientConsent.objects.standing().filter(guardian__household=household)
    return list(rows.select_related("guardian", "identity").order_by("-given_at", "-pk"))


def is_own(guardian: Guardian, identity: Identity) -> bool:
    """Whether an identity can be this adult's: one first name, and a name, as the file has them."""
    names = {folded(name) for name in (identity.birth_name, identity.used_name) if name}
    first = {folded(name) for name in identity.first_names}
    return folded(guardian.first_name) in first and folded(guardian.last_name) in names


@transaction.atomic
def give(
    guardian: Guardian, identity: Identity, *, by: User, at: datetime, signed_on: date | None = None
) -> QuotientConsent:
    """One that stood already is ended: what was typed last counts. Raises ConsentRefused."""
    if not is_own(guardian, identity):
        raise ConsentRefused(NOT_OWN)
    if signed_on is not None and signed_on > timezone.localdate(at):
        raise ConsentRefused(SIGNED_LATER)
    Household.objects.lock([guardian.household_id])
    for before in QuotientConsent.objects.standing().filter(guardian=guardian):
        _end(before, named(by), at)
    consent = QuotientConsent.objects.create(
        guardian=guardian,
        words=WORDS if signed_on is None else ON_PAPER,
        given_at=at,
        given_by=by,
        given_by_name=named(by),
        signed_on=signed_on,
    )
    CivilIdentity.objects.create(
        consent=consent,
        birth_name=identity.birth_name,
        used_name=identity.used_name,
        first_names=SEPARATOR.join(identity.first_names),
        birth_date=identity.birth_date.isoformat(),
        sex=identity.sex,
        country=identity.country,
        town=identity.town,
        department=identity.department,
    )
    return consent


@transaction.atomic
def end(consent: QuotientConsent, *, by: User, at: datetime) -> bool:
    """Whether there was anything to end."""
    Household.objects.lock([consent.guardian.household_id])
    held = QuotientConsent.objects.select_for_update(of=("self",)).standing().filter(pk=consent.pk).first()
    if held is None:
        return False
    _end(held, named(by), at)
    return True


def join(adults: Mapping[int, int], *, by: User, at: datetime) -> None:
    """Adults (keys) turn out to be others, who stay: a consent of theirs goes along, and ends where the one
    who stays has given their own. Within the transaction that joins their households."""
    if not adults:
        return
    standing_here = QuotientConsent.objects.standing().filter(guardian__in=adults.values())
    here = set(standing_here.values_list("guardian_id", flat=True))
    for consent in QuotientConsent.objects.filter(guardian__in=list(adults)):
        stays = adults[consent.guardian_id]
        if consent.stands and stays in here:
            _end(consent, named(by), at)
        elif consent.stands:
            here.add(stays)
        consent.guardian_id = stays
        consent.save(update_fields=["guardian"])


def _end(consent: QuotientConsent, name: str, at: datetime) -> None:
    CivilIdentity.objects.filter(consent=consent).delete()
    consent.ended_at, consent.ended_by_name = at, name
    consent.save(update_fields=["ended_at", "ended_by_name"])


def identity(consent: QuotientConsent) -> Identity | None:
    """As it is asked with; None where it is gone, or no key opens it."""
    row = CivilIdentity.objects.filter(consent=consent).first()
    if row is None:
        return None
    texts = (row.birth_name, row.used_name, row.first_names, row.birth_date, row.sex, row.country)
    if any(isinstance(text, Unreadable) for text in (*texts, row.town, row.department)):
        return None
    return Identity(
        birth_name=row.birth_name,
        used_name=row.used_name,
        first_names=tuple(row.first_names.split(SEPARATOR)),
        birth_date=date.fromisoformat(row.birth_date),
        sex=row.sex,
        country=row.country,
        town=row.town,
        department=row.department,
    )
