"""The address by which a guardian's own calendar program reads what their children have booked."""

from django.db import models

from families.models.children import Child
from families.models.households import Guardian


class CalendarLink(models.Model):
    """One a guardian: a secret address, kept as the SHA-256 of its token, and what it shows.

    Whoever has the address reads it without a login. Written by `families.calendar_links` only.
    """

    guardian = models.OneToOneField(
        Guardian, on_delete=models.CASCADE, related_name="calendar_link", verbose_name="responsable"
    )
    token_hash = models.CharField("empreinte du jeton", max_length=64, unique=True, editable=False)
    made_at = models.DateTimeField("créé le")
    # What is left out is named, so that a child or a service that comes later is shown.
    hidden_children = models.ManyToManyField(
        Child, related_name="+", blank=True, verbose_name="enfants non montrés"
    )
    hidden_services = models.JSONField("services non montrés", default=list, blank=True)
    shows_closures = models.BooleanField("montre les fermetures", default=True)
    # How often it was read since when: the limit of an hour, and how its owner knows that it is used.
    reads = models.PositiveIntegerField("lectures", default=0)
    reads_since = models.DateTimeField("lectures depuis le", null=True, blank=True)

    class Meta:
        verbose_name = "lien d'agenda"
        verbose_name_plural = "liens d'agenda"

    def __str__(self) -> str:
        return f"Agenda, {self.guardian}"

    @property
    def version(self) -> str:
        """Changes whenever the address does: how a page that was sent twice is recognised."""
        return self.made_at.isoformat()
