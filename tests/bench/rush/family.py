"""What one family comes for: it logs in, opens a planning, chooses days, checks them, records them."""

from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.rush.visit import Astray, Page, Sample, Visit, Wait
from tests.bench.rush.wire import NoAnswer

# Views of a planning that a family leafs through, and times that it chooses anew when days were lost.
VIEWS, TRIES = 14, 4
RECORDED, PARTLY, FULL, FAILED, UNSERVED = "recorded", "partly", "full", "failed", "unserved"


@dataclass(frozen=True, slots=True)
class Errand:
    """Whose, and for how many days; `start` is the page that leads to the planning, `choice` what is said
    there, `formula` the one wanted where a day has several."""

    login: str
    password: str
    days: int
    start: str
    choice: dict[str, str] = field(default_factory=dict)
    formula: str = ""
    service: str = ""


@dataclass(slots=True)
class Outcome:
    """How it ended: seconds of the monotonic clock, days that are recorded, and why not."""

    service: str
    arrived: float
    ended: float
    inside: float | None
    result: str
    days: int
    why: str
    samples: list[Sample]
    waits: list[Wait]

    def plain(self) -> dict[str, Any]:
        return asdict(self)


async def live(errand: Errand, visit: Visit, clock: Any) -> Outcome:
    """The whole errand. `clock` gives the monotonic seconds."""
    arrived = clock()
    walk = _Walk(errand, visit)
    why = ""
    try:
        result = await walk.through()
    except NoAnswer as error:
        result, why = FAILED, f"{walk.doing}: {error}"
    except Astray as error:
        result, why = FAILED, str(error)
    return Outcome(
        errand.service, arrived, clock(), walk.inside, result, walk.recorded, why, visit.samples, visit.waits
    )


class _Walk:
    def __init__(self, errand: Errand, visit: Visit) -> None:
        self.errand = errand
        self.visit = visit
        self.doing = "login page"
        self.inside: float | None = None
        self.recorded = 0

    async def through(self) -> str:
        page = await self._log_in()
        self.inside = page.at
        for _ in range(TRIES):
            page, chosen = await self._choose(page)
            if not chosen:
                return FULL
            page, kept = await self._record(page)
            if kept:
                self.recorded = chosen
                return RECORDED if chosen == self.errand.days else PARTLY
        return FULL

    async def _log_in(self) -> Page:
        visit = self.visit
        page = await visit.open("/connexion/", "login page")
        self.doing = "log in"
        said = {"login": self.errand.login, "password": self.errand.password}
        for _ in range(TRIES):
            before = len(visit.waits)
            await visit.think()
            page = await visit.send(page, page.form(), "log in", then="home", fill=said)
            if page.tree.find('.//input[@type="password"]') is None:
                break
            if len(visit.waits) == before:
                raise Astray(f"{self.errand.login} is not let in")
        else:
            raise Astray(f"{self.errand.login} has waited and is not let in")
        self.doing = "planning"
        await visit.think()
        page = await visit.open(self.errand.start, "way to the planning", then="planning")
        if self.errand.choice:
            await visit.think()
            page = await visit.send(
                page, page.form(), "way to the planning", then="planning", fill=self.errand.choice
            )
        return page

    async def _choose(self, page: Page) -> tuple[Page, int]:
        """Ticks as many days as are wanted, over as many months or weeks as that takes; the page of
        validation, and how many days stand on it."""
        visit, wanted, chosen = self.visit, self.errand.days, 0
        self.doing = "days"
        chosen = len(_ticked(page))
        for _ in range(VIEWS):
            free = _free(page, self.errand.formula)
            # A family sent back to choose anew may find more ticked than it wants.
            picked = visit.rng.sample(free, max(0, min(wanted - chosen, len(free))))
            chosen += len(picked)
            following = "" if chosen >= wanted else _following(page)
            if not following and not chosen:
                return page, 0
            await visit.think()
            pressed = ("do", f"show:{following}" if following else "next")
            page = await visit.send(
                page,
                page.form("planning"),
                "other days" if following else "days",
                then="planning" if following else "validation",
                tick=[*(("book", one) for one in picked), pressed],
            )
            if not following:
                break
        return page, chosen

    async def _record(self, page: Page) -> tuple[Page, bool]:
        """From validation to home; False where days were lost meanwhile, with the planning that says so."""
        visit = self.visit
        if page.tree.find(".//form[@data-checking]") is None:
            return page, False
        self.doing = "validate"
        await visit.think()
        page = await visit.send(page, page.form(), "validate", then="recording")
        if page.tree.find(".//form[@data-once]") is None:
            return page, False
        self.doing = "record"
        await visit.think()
        page = await visit.send(page, page.form(), "record", then="thanks")
        return page, page.tree.find('.//form[@id="planning"]') is None


def _boxes(page: Page) -> list[Any]:
    return list(page.form("planning").iterfind('.//input[@name="book"]'))


def _free(page: Page, formula: str) -> list[str]:
    return [
        one.get("value")
        for one in _boxes(page)
        if one.get("checked") is None and (not formula or one.get("value").startswith(f"{formula}:"))
    ]


def _ticked(page: Page) -> list[str]:
    return [one.get("value") for one in _boxes(page) if one.get("checked") is not None]


def _following(page: Page) -> str:
    """The next month or week, as the button to it says; empty at the end of the period."""
    for one in page.form("planning").iterfind('.//button[@name="do"]'):
        is_next = one.get("data-month") == "next" or "Semaine suivante" in one.text_content()
        if is_next:
            return str(one.get("value")).removeprefix("show:")
    return ""
