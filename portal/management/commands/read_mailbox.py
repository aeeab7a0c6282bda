"""`manage.py read_mailbox`: what came back to the portal's own mailbox, for a timer; nights do it too."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from portal.database.starting import DataCommand
from portal.letters import mailbox
from portal.letters.answers import Kind


class Command(DataCommand):
    help = "Lit la boîte aux lettres du portail : messages revenus, réponses automatiques."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.MAILBOX_URL:
            raise CommandError(
                "MAILBOX_URL n'est pas réglé : le portail n'a pas de boîte aux lettres à lire."
            )
        try:
            found = mailbox.read(settings.MAILBOX_URL, moment=timezone.now())
        except (mailbox.Unreadable, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{found[Kind.CAME_BACK]} message(s) revenu(s), {found[Kind.DELAYED]} retardé(s), "
            f"{found[Kind.AUTOMATIC]} réponse(s) automatique(s) ; "
            f"{found[Kind.PERSON]} message(s) laissé(s) à lire par une personne."
        )
