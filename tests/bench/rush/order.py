"""Whether a line kept its order, seen from outside it: pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A family's: when it came (its first request sent, and answered), each later moment at which it asked
    and was told to wait on, and when it was let in (None: never). Seconds of one clock."""

    asked: float
    joined: float
    polls: tuple[float, ...]
    entered: float | None
    waited: bool = True


def overtaken(places: Iterable[Place]) -> tuple[int, float]:
    """How many families were told to wait on after somebody who came later had been let in, and by how many
    seconds that one had come later, at most.

    Somebody let in while the family was not asking has overtaken nobody: its own turn comes when it asks. Who
    came while another's first answer was on its way came at the same time.
    """
    places = list(places)
    entered = sorted((one.entered, one.asked) for one in places if one.entered is not None)
    told = sorted((poll, one.joined, number) for number, one in enumerate(places) for poll in one.polls)
    passed: set[int] = set()
    latest, worst, place = float("-inf"), 0.0, 0
    for poll, joined, number in told:
        while place < len(entered) and entered[place][0] < poll:
            latest = max(latest, entered[place][1])
            place += 1
        if latest > joined:
            passed.add(number)
            worst = max(worst, latest - joined)
    return len(passed), worst
