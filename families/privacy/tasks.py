"""Work of the worker on people's data."""

from django.utils import timezone
from django_tasks import task

from families.models import DataExport
from families.privacy import exporting

PREPARING = -10  # a parent who waits for a mail to log in goes first


@task(priority=PREPARING)
def prepare_copy(export: int) -> None:
    """Prepares a copy of data; one that is ready, or gone, is left alone."""
    found = DataExport.objects.select_related("guardian__user", "household").filter(pk=export).first()
    if found is not None:
        exporting.prepare(found, at=timezone.now())
