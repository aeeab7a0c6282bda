"""What members of staff may do, and where: a row a role. Written by `staff/giving.py` only."""

from django.contrib.auth.models import Group
from django.db import models
from simple_history.models import HistoricalRecords

from families.models import User
from portal.reservations.models.calendar import Establishment


class StaffRight(models.Model):
    """That somebody holds a role: in the whole town, or at named places."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="staff_rights", verbose_name="compte"
    )
    role = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+", verbose_name="rôle")
    everywhere = models.BooleanField("toute la commune", default=True)
    places = models.ManyToManyField(
        Establishment, blank=True, related_name="+", verbose_name="établissements"
    )
    given_at = models.DateTimeField("donné le", auto_now=True)
    given_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="donné par"
    )

    history = HistoricalRecords(m2m_fields=[places])

    class Meta:
        verbose_name = "rôle à la mairie"
        verbose_name_plural = "rôles à la mairie"
        ordering = ["role__name"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role"],
                name="one_row_a_login_and_role",
                violation_error_message="Ce compte a déjà ce rôle : changez ses lieux sur la même ligne.",
            )
        ]

    def __str__(self) -> str:
        return str(self.role)
