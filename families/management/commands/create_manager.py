"""The first Responsable: who can log in on the day of installation, before any mail leaves."""

import sys
from collections.abc import Callable
from getpass import getpass
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.urls import reverse

from families import groups, login_names
from families.models import Household, SecurityEvent, User
from families.signing_in import factors
from families.traces import security
from portal import open_to_public
from portal.database.starting import DataCommand
from portal.desk import rights

AT_THE_SERVER = "au serveur"


class Command(DataCommand):
    help = (
        "Crée un compte de Responsable, qui peut tout et se connecte sans attendre de message. Ce qui n'est"
        " pas donné en option est demandé, le mot de passe toujours. Avec --reset, remet à zéro la double"
        " authentification d'un agent qui a perdu son téléphone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--prenom", default="", help="Son prénom.")
        parser.add_argument("--nom", default="", help="Son nom.")
        parser.add_argument("--identifiant", default="", help="Ce qu'il tape pour se connecter.")
        parser.add_argument("--adresse", default="", help="Son adresse e-mail.")
        parser.add_argument(
            "--reset",
            metavar="IDENTIFIANT",
            default="",
            help="Ne crée rien : retire les applications, clés d'accès et codes de secours de cet agent.",
        )

    def handle(self, *args: Any, reset: str, **given: Any) -> None:
        try:
            self._reset(reset) if reset else self._create(given)
        except (EOFError, KeyboardInterrupt):
            raise CommandError("Rien n'a été changé.") from None

    def _create(self, given: dict[str, Any]) -> None:
        user = User(is_staff=True, is_superuser=True)
        user.first_name = self._ask("Prénom", given["prenom"], _named)
        user.last_name = self._ask("Nom", given["nom"], _named)
        user.username = self._ask("Identifiant", given["identifiant"], _identifiant)
        user.email = self._ask("Adresse e-mail", given["adresse"], _address)
        user.set_password(self._password(user))
        # Whom an installation that nobody uses yet is made for sets it up first, then opens it to families.
        is_new = not (User.objects.filter(is_staff=True).exists() or Household.objects.exists())
        with transaction.atomic():
            user.save()
            if is_new:
                open_to_public.start_closed()
            rights.give_role(user, Group.objects.get_or_create(name=groups.MANAGER)[0], by=None)
            # Whoever holds the server vouches for it: the portal's first mail may be days away.
            EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
            security.note(SecurityEvent.Kind.RIGHTS, user=user, detail=f"compte créé {AT_THE_SERVER}")
        self.stdout.write(f"Le compte « {user.username} » est prêt. Connectez-vous :")
        self.stdout.write(settings.PORTAL_URL.rstrip("/") + reverse("admin:index"))
        if is_new:
            self.stdout.write(
                "« Premiers pas » vous y attend : le portail reste fermé aux familles jusqu'à ce que vous"
                " l'ouvriez."
            )
        if settings.STAFF_SECOND_FACTOR:
            self.stdout.write("Le portail vous demandera d'abord d'ajouter une double authentification.")

    def _reset(self, identifiant: str) -> None:
        found = [user for user in login_names.called(identifiant) if user.is_staff]
        if len(found) != 1:
            raise CommandError(f"Aucun agent ne se connecte par « {identifiant} ».")
        factors.reset(found[0], reason=AT_THE_SERVER, by=None)
        self.stdout.write(f"La double authentification de « {found[0].username} » est remise à zéro.")
        self.stdout.write("À sa prochaine connexion, le portail lui demande d'en ajouter une nouvelle.")

    def _ask(self, what: str, given: str, read: Callable[[str], str]) -> str:
        """An answer that `read` takes; one given as an option is not asked for."""
        while True:
            try:
                return read(given or _typed(f"{what} : "))
            except ValidationError as refusal:
                if given:
                    raise CommandError(f"{what} : {' '.join(refusal.messages)}") from refusal
                self._say(refusal)

    def _password(self, user: User) -> str:
        while True:
            typed, again = _secret("Mot de passe : "), _secret("Mot de passe, encore une fois : ")
            try:
                if typed != again:
                    raise ValidationError("Les deux mots de passe sont différents.")
                validate_password(typed, user)
            except ValidationError as refusal:
                self._say(refusal)
            else:
                return typed

    def _say(self, refusal: ValidationError) -> None:
        self.stderr.write("\n".join(refusal.messages))


def _named(typed: str) -> str:
    if not typed.strip():
        raise ValidationError("Ce champ est obligatoire.")
    return typed.strip()


def _identifiant(typed: str) -> str:
    return login_names.free_identifiant(_named(typed))


def _address(typed: str) -> str:
    address = login_names.free_address(_named(typed))
    login_names.check_address(address)
    return address


def _typed(prompt: str) -> str:
    return input(prompt)


def _secret(prompt: str) -> str:
    """Typed out of sight, or read from a pipe."""
    return getpass(prompt) if sys.stdin.isatty() else input(prompt)
