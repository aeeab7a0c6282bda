from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from portal.database.starting import DataCommand
from portal.reservations.acts.opening import missing_slots, open_slots
from portal.reservations.models import Period


class Command(DataCommand):
    help = "Ouvre les créneaux qui manquent aux périodes en cours et à venir. Se relance sans doublon."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--activite", metavar="CODE", help="seulement cette activité")
        parser.add_argument("--periode", metavar="CODE", help="seulement la période de ce code")
        parser.add_argument("--essai", action="store_true", help="compte sans rien créer")

    def handle(self, *args: Any, **options: Any) -> None:
        at = timezone.now()
        periods = Period.objects.filter(ends_on__gte=timezone.localdate(at)).select_related("activity")
        if options["activite"]:
            periods = periods.filter(activity__code=options["activite"])
        if options["periode"]:
            periods = periods.filter(code=options["periode"])
        if not periods:
            raise CommandError("Aucune période en cours ou à venir ne correspond.")
        for period in periods:
            count = len(missing_slots(period, at=at)) if options["essai"] else open_slots(period, at=at)
            self.stdout.write(f"{period.activity} – {period} : {count} créneau(x)")
