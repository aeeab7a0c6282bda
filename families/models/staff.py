"""Members of staff, as those see them who answer for them."""

from typing import ClassVar

from django.db.models import QuerySet

from families.models.accounts import AccountManager, User


class StaffManager(AccountManager):
    use_in_migrations = False

    def get_queryset(self) -> QuerySet["User"]:
        staff: QuerySet[User] = super().get_queryset().filter(is_staff=True)
        return staff


class StaffMember(User):
    """A login that enters the desk: what a Responsable sees and ends of it, without giving rights."""

    objects: ClassVar[StaffManager] = StaffManager()

    class Meta:
        proxy = True
        verbose_name = "agent de la mairie"
        verbose_name_plural = "agents de la mairie"
