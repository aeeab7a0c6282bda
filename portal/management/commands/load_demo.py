"""`manage.py load_demo`: fills an empty database with an invented town and its families."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from portal.database.starting import DataCommand
from portal.demo import loading
from portal.demo.factories import PASSWORD
from portal.french import moments

SMALLEST = 10


class Command(DataCommand):
    help = "Remplit une base vide avec une commune inventée : familles, inscriptions, réservations, menus."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--households",
            type=int,
            default=300,
            metavar="N",
            help="nombre de foyers (300 si rien n'est dit)",
        )

    def handle(self, *args: Any, households: int, verbosity: int, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError(
                "La démonstration ne se charge jamais sur un portail en service : elle demande PORTAL_DEMO=1."
            )
        if households < SMALLEST:
            raise CommandError(f"La démonstration compte au moins {SMALLEST} foyers.")
        at = timezone.now()
        with tqdm(total=households * 2, unit=" étapes", disable=None if verbosity else True) as progress:
            try:
                demo = loading.load(households, at=at, tick=progress.update)
            except loading.NotEmpty:
                raise CommandError(
                    "La base contient déjà des foyers : la démonstration ne se charge que dans une base vide "
                    "(« make reset » repart de zéro)."
                ) from None
        if not verbosity:
            return
        promised = demo.promised
        self.stdout.write(
            f"{demo.households} foyers, {demo.children} enfants, {demo.bookings} présences réservées.\n"
            f"{promised.restaurant} : {moments.day(promised.full)} est complet, avec une liste d'attente ; "
            f"il reste trois places {moments.day(promised.three_left)}.\n\n"
            f"Identifiants (mot de passe pour tous : {PASSWORD}) :\n"
            "  parent       un parent de trois enfants, dont deux mangent à la cantine\n"
            "  voisin       un autre foyer\n"
            "  famille0005  un foyer de cinq enfants\n"
            "  famille0004  un adulte de deux foyers\n"
            "  famille0003  et les suivants : les autres foyers\n"
            "  agent        la mairie, tout le travail quotidien (/mairie/)\n"
            "  accueil      une collègue : elle a demandé un accès, que « agent » confirme\n"
            "  regie        la régie (/mairie/)\n"
            "  responsable  à la tête du service : registre des consultations (/mairie/)\n"
            "  direction, animation, cuisine, lecture, comptable  d'autres rôles de la mairie (/mairie/)"
        )
