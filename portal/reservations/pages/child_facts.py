"""What the engine says of a child on the page that families keep of it."""

from families.models import Child


def school(child: Child) -> str:
    """« CE1, École des Tilleuls (2026-2027) », the latest known; in one query."""
    attended = (
        child.schoolings.current()
        .select_related("school_class__school", "school_year")
        .order_by("-school_year__starts_on")
        .first()
    )
    if attended is None:
        return "non renseignée"
    return f"{attended.school_class} ({attended.school_year.name})"
