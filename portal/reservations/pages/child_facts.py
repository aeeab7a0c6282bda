"""What the engine says of a child on the page that families keep of it."""

from django.utils import timezone

from families.models import Child
from portal.reservations.models import Schooling


def school(child: Child) -> str:
    """« CE1, École des Tilleuls (2026-2027) », the latest known that has begun; in one query."""
    attended = (
        Schooling.objects.filter(child=child)
        .current()
        .nearest_first(timezone.localdate())
        .select_related("school_class__school", "school_year")
        .first()
    )
    if attended is None:
        return "non renseignée"
    return f"{attended.school_class} ({attended.school_year.name})"
