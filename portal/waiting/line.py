"""When the room opens and closes, how many come in a second, what somebody who waits is told. Pure.

Moments are seconds since the epoch, paces families a second, waits seconds. Nothing here reads a clock.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

# Seconds until somebody in the line asks again: at its front, and from MIDDLE seconds of waiting on.
SOONEST, LATEST = 10, 60
# Between the two, a third of the wait that is left: nobody is called long before they ask.
SHARE_OF_WAIT = 3
# Those who were answered together, after a moment in which all stood still, would ask together ever after
# and come in at one stroke: each asks up to so much of the time later, by the number of the place.
APART = 0.4
# Who has not asked for so long is passed over, and comes first of all when they are back.
PATIENCE = 150.0
# A place that was never shown again is kept a turn for so long: who asks without cookies is soon passed over.
PATIENCE_NEW = 15.0
INSIDE_MINUTES = 10

# The room opens so long before a period does, and stays at least so long afterwards.
BEFORE, AFTER = 300.0, 600.0

# Requests in progress for each core: above the one the machine is strained, below the other at ease.
FULL, EASY = 4.0, 2.0
# So long a request lies before a thread takes it up where the machine is strained.
LATE = 0.3
# What opens the room by itself: strained for so long, while so many come a second.
STRAINED_FOR, COMING = 2.0, 0.5
# What closes it: nobody waits and the machine is not strained, for so long.
CALM_FOR = 60.0
# Loads are smoothed over so many seconds.
SMOOTH = 2.0

# Families a second for each core, before anything was measured; what no measure goes below.
FIRST_PACE, SLOWEST = 2.0, 0.2
# Processor seconds of one family, as long as too few have come to say; and what they are never below.
COST, LEAST_COST = 0.25, 0.05
# Of the processors, what families may have.
SHARE_OF_CORES = 0.9
# A strained machine shows what it serves, from second to second very different figures: of each new one a
# tenth is believed, and of the first, which may be a stall, at least half of what the processors could do.
# Until it is no longer strained, a part of that comes in, then all of it, and a little more each second,
# the more the more at ease it is. Who is called comes within ten seconds: to react faster than that swings.
ADAPT_EVERY, DRAINING, SEEKING, LEARNING = 1.0, 0.9, 0.02, 0.1
# What a family asks for at least, from the login page to the reservation recorded.
VISIT_REQUESTS = 12
# Costs are known from so many logins on, and halve their weight then.
LOGINS_KNOWN, LOGINS_KEPT = 20, 400


class Mode(IntEnum):
    """What the desk says of the room."""

    AUTO = 0
    OPEN = 1
    CLOSED = 2


@dataclass(frozen=True, slots=True)
class Totals:
    """What all processes together have done since they started; sums only grow, but where one has ended."""

    cores: int = 1
    in_progress: int = 0
    progress: float = 0.0  # requests in progress × seconds
    lay: float = 0.0  # seconds that requests lay before a thread took them up
    taken: int = 0
    arrivals: int = 0  # first pages and logins asked for by those who are not inside and have no place
    cpu: float = 0.0
    logins: int = 0
    served: int = 0  # requests that the portal itself answered


@dataclass(frozen=True, slots=True)
class Board:
    """What the processes know in common of the room."""

    mode: Mode = Mode.AUTO
    wanted_pace: float = 0.0  # the desk's; 0: as measured
    open: bool = False
    opened_at: float = 0.0
    pace: float = 0.0
    looked_at: float = 0.0
    adapted_at: float = 0.0
    strained_since: float = 0.0  # 0: it is not
    calm_since: float = 0.0
    busy: float = 0.0  # requests in progress, smoothed
    lay: float = 0.0
    coming: float = 0.0
    spent_cpu: float = 0.0  # of the last logins
    spent_logins: float = 0.0
    cores: int = 1
    progress_sum: float = 0.0
    lay_sum: float = 0.0
    taken_sum: int = 0
    arrivals_sum: int = 0
    cpu_sum: float = 0.0
    logins_sum: int = 0
    spent_served: float = 0.0
    served_sum: int = 0
    using: float = 0.0  # processors that families use, smoothed
    most: float = 0.0  # families a second that a strained machine serves, as learnt; 0: it never was


def cost(board: Board) -> float:
    """Processor seconds of one family, as the last ones cost. Those who have just come in have not asked for
    much yet: their requests are counted as those of a whole visit."""
    if board.spent_logins < LOGINS_KNOWN:
        return COST
    requests = max(VISIT_REQUESTS, board.spent_served / board.spent_logins)
    return max(LEAST_COST, requests * board.spent_cpu / max(1.0, board.spent_served))


def fastest(board: Board) -> float:
    """More families a second than these would be more than the processors can serve."""
    return max(SLOWEST, SHARE_OF_CORES * board.cores / cost(board))


def served(board: Board) -> float:
    """Families a second that the machine serves now, by what the last ones cost."""
    return board.using / cost(board)


def burst(pace: float) -> float:
    """How many may come in at one moment: those of a second."""
    return max(1.0, pace)


def earned(board: Board, now: float) -> float:
    """How many more may come in since the board was last looked at."""
    if not board.open or not 0 < board.looked_at <= now:
        return 0.0
    return min(now - board.looked_at, 60.0) * board.pace


def look(board: Board, totals: Totals, *, now: float, waiting: int, expected: bool) -> Board:
    """The board of this moment: `waiting` in the line, `expected` while a period is about to open."""
    seconds = now - board.looked_at
    if not board.looked_at or not 0 <= seconds < 60:
        board = replace(board, strained_since=0.0, calm_since=0.0, busy=0.0, lay=0.0, coming=0.0)
    elif seconds:
        board = _smoothed(board, totals, seconds)
    board = replace(
        board,
        cores=totals.cores,
        looked_at=now,
        progress_sum=totals.progress,
        lay_sum=totals.lay,
        taken_sum=totals.taken,
        arrivals_sum=totals.arrivals,
        cpu_sum=totals.cpu,
        logins_sum=totals.logins,
        served_sum=totals.served,
    )
    strained = is_strained(board)
    board = replace(
        board,
        strained_since=(board.strained_since or now) if strained else 0.0,
        calm_since=0.0 if strained or waiting else board.calm_since or now,
    )
    return _paced(_opened(board, now, waiting=waiting, expected=expected), now, waiting)


def is_strained(board: Board) -> bool:
    return board.busy >= FULL * board.cores or board.lay >= LATE


def _smoothed(board: Board, totals: Totals, seconds: float) -> Board:
    """A process that ended took its sums with it: what would be negative is nothing."""
    weight = seconds / (SMOOTH + seconds)
    taken = max(0, totals.taken - board.taken_sum)
    lay = max(0.0, totals.lay - board.lay_sum) / taken if taken else 0.0
    busy = max(0.0, totals.progress - board.progress_sum) / seconds
    coming = max(0, totals.arrivals - board.arrivals_sum) / seconds
    logins = board.spent_logins + max(0, totals.logins - board.logins_sum)
    cpu = board.spent_cpu + max(0.0, totals.cpu - board.cpu_sum)
    served = board.spent_served + max(0, totals.served - board.served_sum)
    if logins > LOGINS_KEPT:
        logins, cpu, served = logins / 2, cpu / 2, served / 2
    elif not board.open and logins < board.spent_logins + 1 and not board.coming:
        cpu, served = board.spent_cpu, board.spent_served  # what is done at night is no family's
    return replace(
        board,
        busy=board.busy + weight * (busy - board.busy),
        lay=board.lay + weight * (lay - board.lay),
        coming=board.coming + weight * (coming - board.coming),
        spent_cpu=cpu,
        spent_logins=logins,
        spent_served=served,
        using=board.using + weight * (max(0.0, totals.cpu - board.cpu_sum) / seconds - board.using),
    )


def _opened(board: Board, now: float, *, waiting: int, expected: bool) -> Board:
    if board.mode is Mode.AUTO:
        if not board.open:
            overrun = board.strained_since and now - board.strained_since >= STRAINED_FOR
            wanted = expected or bool(overrun and board.coming >= COMING)
        else:
            calm = board.calm_since and now - board.calm_since >= CALM_FOR
            wanted = expected or not calm
    else:
        wanted = board.mode is Mode.OPEN
    if wanted == board.open:
        return board
    return replace(board, open=wanted, opened_at=now if wanted else 0.0, calm_since=0.0)


def _paced(board: Board, now: float, waiting: int) -> Board:
    if board.wanted_pace:
        return replace(board, pace=board.wanted_pace)
    pace, most = board.pace or FIRST_PACE * board.cores, fastest(board)
    if now - board.adapted_at < ADAPT_EVERY:
        return replace(board, pace=min(pace, most))
    known = board.most
    if not board.open:
        # The next rush begins as an average machine would.
        pace, known = FIRST_PACE * board.cores, 0.0
    elif is_strained(board):
        # What comes in now is felt in a while: to let in ever less until then would leave the machine idle.
        known = known or max(served(board), most / 2)
        known = max(SLOWEST, known + LEARNING * (served(board) - known))
        pace = DRAINING * known / (1.0 + board.lay)
    elif waiting:
        more = 1.0 + SEEKING * max(0.0, 1.0 - board.busy / (EASY * board.cores))
        known *= more
        pace = known or pace * more
    return replace(board, pace=max(SLOWEST, min(pace, most)), most=known, adapted_at=now)


def wait(rank: int, pace: float) -> float:
    """Seconds until the family at place `rank` (1: the first) comes in."""
    return rank / max(pace, SLOWEST / 4)


def ask_again(seconds: float, number: int) -> int:
    """In how many seconds somebody asks again who has `seconds` to wait, with the place of this number."""
    soonest = round(min(max(seconds / SHARE_OF_WAIT, SOONEST), LATEST / (1 + APART)))
    return soonest + number % (1 + int(APART * soonest))
