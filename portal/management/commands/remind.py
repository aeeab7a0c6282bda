"""The reminders that families chose, for a timer that runs each hour: what is not due does nothing."""

from typing import Any

from django.utils import timezone

from families.reminders import rounds
from portal.database.starting import DataCommand
from portal.french.plurals import counted


class Command(DataCommand):
    help = "Rappels aux familles, chaque heure : un e-mail par soir au plus, aucun entre 21 h et 7 h."

    def handle(self, *args: Any, **options: Any) -> None:
        sent = rounds.remind(at=timezone.now())
        self.stdout.write(f"{counted(sent, 'rappel envoyé', 'rappels envoyés')}.")
