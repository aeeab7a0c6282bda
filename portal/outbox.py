"""The demo's outbox."""

from django.core.mail.backends.console import EmailBackend


class OutboxBackend(EmailBackend):
    pass
