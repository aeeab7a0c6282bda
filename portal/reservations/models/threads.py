"""To which place a family's message was handed."""

from django.db import models

from families.models import Thread
from portal.reservations.models.calendar import Establishment


class ThreadPlace(models.Model):
    """The place whose agents have a thread. Written for `families.threads.writing` by `desk/threads.py`."""

    thread = models.OneToOneField(
        Thread, on_delete=models.CASCADE, related_name="+", verbose_name="message de famille"
    )
    establishment = models.ForeignKey(
        Establishment, on_delete=models.CASCADE, related_name="+", verbose_name="lieu"
    )

    class Meta:
        verbose_name = "lieu qui suit un message"
        verbose_name_plural = "lieux qui suivent un message"

    def __str__(self) -> str:
        return f"{self.thread} – {self.establishment}"
