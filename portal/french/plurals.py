"""Words that agree with a number: none is singular in French, « 0 jour », « 1 jour », « 2 jours ». Pure."""


def agreed(number: int, one: str, many: str) -> str:
    """The form that goes with `number`: « est complet » or « sont complets »."""
    return one if number < 2 else many


def counted(number: int, one: str, many: str) -> str:
    """« 1 réservation », « 12 réservations »."""
    return f"{number} {agreed(number, one, many)}"
