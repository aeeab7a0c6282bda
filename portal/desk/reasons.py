"""The reasons that agents pick when they refuse: texts that the town edits, each for one list of the desk."""

from portal.models import RefusalReason


def of(about: str) -> list[str]:
    """Those for « app.model », in the town's order; none where it keeps none. One query."""
    rows = RefusalReason.objects.filter(about=about).order_by("order", "pk")
    return list(rows.values_list("text", flat=True))
