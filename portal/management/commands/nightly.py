"""The housekeeping of every night, for one timer: the day that follows can do without any of it."""

from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from families import unconfirmed
from portal.reservations.acts import reservation_drafts
from portal.reservations.presence import certificates

DRAFTS_KEPT = timedelta(days=30)
UNCONFIRMED_KEPT = timedelta(days=7)
# Letters wait in the task table until they are sent; afterwards nobody needs to read them there.
TASKS_KEPT = timedelta(days=2)


class Command(BaseCommand):
    help = (
        "Travail de la nuit : brouillons oubliés, comptes jamais confirmés, sessions et tâches terminées,"
        " absences justifiées de la veille."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        drafts = reservation_drafts.purge_drafts(before=now - DRAFTS_KEPT)
        accounts = unconfirmed.forget(before=now - UNCONFIRMED_KEPT)
        certificates.catch_up(at=now)
        call_command("clearsessions")
        DBTaskResult.objects.finished().filter(finished_at__lt=now - TASKS_KEPT).delete()
        self.stdout.write(
            f"{drafts} réservation(s) non terminée(s) et {accounts} compte(s) jamais confirmé(s) supprimé(s)."
        )
