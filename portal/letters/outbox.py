"""The demo's mail server: every mail goes to the console. Its outbox shows what is kept of each letter; of
those with a live link, which is kept nowhere, the whole text is here besides, so that staff can open it.

Never used in production, where EMAIL_URL names a mail server and the page does not exist.
"""

import sys
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from portal.letters.mailing import LiveMail
from portal.models import SentMail

KEPT = 1000


class OutboxBackend(BaseEmailBackend):
    """Prints the text of each mail, and keeps the last KEPT of those with a live link."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            to = ", ".join(message.recipients())
            sys.stdout.write(f"\n--- À : {to}\n--- Objet : {message.subject}\n{message.body}\n")
            if isinstance(message, LiveMail):
                SentMail.objects.create(to=to[:254], subject=message.subject[:255], text=str(message.body))
        sys.stdout.flush()
        oldest = SentMail.objects.values_list("pk", flat=True)[KEPT:]
        SentMail.objects.filter(pk__in=list(oldest[:KEPT])).delete()
        return len(email_messages)
