"""What a rush found, as figures: pure, from what the crowd wrote and the meters read."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tests.bench.rush.order import Place, overtaken

# In the order of the walk; what is asked for beside it comes last.
STEPS = (
    "login page", "log in", "home", "way to the planning", "planning", "other days", "days", "validation",
    "validate", "recording", "record", "thanks", "files", "waiting",
)  # fmt: skip
WALK = STEPS[: STEPS.index("files")]


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the values (in order, at least one) that `share` of them do not pass."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Iterable[float]) -> dict[str, float]:
    """count, p50, p95 and max; all 0 of nothing."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0, "p50": 0.0, "p95": 0.0, "max": 0.0}
    return {
        "count": len(ordered),
        "p50": round(percentile(ordered, 0.5), 4),
        "p95": round(percentile(ordered, 0.95), 4),
        "max": round(ordered[-1], 4),
    }


def of_crowd(found: dict[str, Any]) -> dict[str, Any]:
    """Of what `crowd.py` wrote: seconds by step, how it ended for whom, the line, the client's own cost."""
    outcomes, began = found["outcomes"], found["began"]
    samples = [one for outcome in outcomes for one in outcome["samples"]]
    took: dict[str, list[float]] = {step: [] for step in STEPS}
    weight: Counter[str] = Counter()
    for one in samples:
        took[one["step"]].append(one["took"])
        weight[one["step"]] += one["weight"]
    served = [one for one in outcomes if one["result"] not in ("failed", "unserved")]
    places = [_place(one) for one in outcomes if one["samples"]]
    waits = [wait for one in outcomes for wait in one["waits"]]
    passed, by_seconds = overtaken(places)
    return {
        "families": len(outcomes),
        "results": dict(Counter(one["result"] for one in outcomes)),
        "by_service": {
            service: dict(Counter(one["result"] for one in outcomes if one["service"] == service))
            for service in sorted({one["service"] for one in outcomes})
        },
        "days_recorded": sum(one["days"] for one in outcomes),
        "errors": dict(Counter(one["why"] for one in outcomes if one["result"] == "failed")),
        "unserved": sum(one["result"] == "unserved" for one in outcomes),
        "all_served_after": round(max((one["ended"] - began for one in served), default=0.0), 1),
        "last_arrival": round(max((one["arrived"] - began for one in outcomes), default=0.0), 1),
        "steps": {step: spread(its) for step, its in took.items() if its},
        "inside": spread(value for step in WALK for value in took[step]),
        "kB": {step: round(weight[step] / 1000 / len(its), 1) for step, its in took.items() if its},
        "errand": spread(one["ended"] - one["inside"] for one in served if one["inside"] is not None),
        "requests_a_family": round(sum(len(took[step]) for step in WALK) / max(1, len(served)), 2),
        "line": {
            "waited": sum(bool(one["waits"]) for one in outcomes),
            "longest": _longest(waits),
            "seconds": spread(one["entered"] - one["asked"] for one in waits if one["entered"] is not None),
            "overtaken": passed,
            "overtaken_by_seconds": round(by_seconds, 1),
        },
        "client": {"processor": round(found["processor"], 2), "memory": round(found["memory"], 1)},
    }


def _place(outcome: dict[str, Any]) -> Place:
    """Of a family that never waited: it came with its first request, and was let in by its answer."""
    if not outcome["waits"]:
        first = outcome["samples"][0]
        at = first["sent"] + first["took"]
        return Place(first["sent"], at, (), at, waited=False)
    first, last = outcome["waits"][0], outcome["waits"][-1]
    polls = tuple(poll for wait in outcome["waits"] for poll in wait["polls"])
    return Place(first["asked"], first["joined"], polls, last["entered"])


def _longest(waits: list[dict[str, Any]]) -> int:
    """Most families that stood in line at a time."""
    steps = [(wait["joined"], 1) for wait in waits]
    steps += [(wait["entered"], -1) for wait in waits if wait["entered"] is not None]
    longest = here = 0
    for _, step in sorted(steps):
        here += step
        longest = max(longest, here)
    return longest
