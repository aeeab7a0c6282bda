"""What only the leisure service has."""

from typing import ClassVar

from django.db import models

from portal.reservations.models import Establishment

SERVICE = "leisure"
# How a town's file calls it.
SERVICE_WORD = "loisirs"


class CentreManager(models.Manager["Centre"]):
    def get_queryset(self) -> models.QuerySet["Centre"]:
        return super().get_queryset().filter(kind=Establishment.Kind.CENTRE)


class Centre(Establishment):
    """A leisure centre, as the service's own desk shows it."""

    objects: ClassVar[CentreManager] = CentreManager()

    class Meta:
        proxy = True
        verbose_name = "centre de loisirs"
        verbose_name_plural = "centres de loisirs"
        ordering = ["name"]
