"""The rules of a town one by one (`town_rules`): which the portal can say, and how their cases come out.

    town_rules:
    - {id: rang2, text: « −25 % dès le 2e enfant », expressible: yes}

`expressible`: yes, no, partial or manual. A case names the rule that it is about (`rule: rang2`). Where
that rule cannot be said, a case that fails is no mistake of ours and is told apart; once right, that is told.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from portal.conformance.published_towns import Document, name_of, unreadable_rows
from portal.conformance.values import FALSE_WORDS, TRUE_WORDS, Unreadable, plain
from portal.french.plurals import counted

SECTION = "town_rules"


class Sayable(StrEnum):
    YES = "yes"
    PARTIAL = "partial"
    MANUAL = "manual"
    NO = "no"


WORDS = {
    **dict.fromkeys(TRUE_WORDS, Sayable.YES),
    **dict.fromkeys(FALSE_WORDS, Sayable.NO),
    "partial": Sayable.PARTIAL,
    "partiel": Sayable.PARTIAL,
    "en partie": Sayable.PARTIAL,
    "manual": Sayable.MANUAL,
    "manuel": Sayable.MANUAL,
    "a la main": Sayable.MANUAL,
}


class Outcome(StrEnum):
    """How a case came out."""

    RIGHT = "juste"
    WRONG = "faux"
    NOT_YET = "pas encore dicible"
    IN_WORDS = "non rejoué"


def unreadable_rules(town: Document) -> Iterator[str]:
    return unreadable_rows(town, SECTION, _read)


def _read(row: Document) -> Sayable:
    row.get("text")
    said = row.get("expressible")
    if plain(said) not in WORDS:
        shown = "yes, no, partial, manual"
        raise Unreadable(f"« {said} » n'est pas prévu : {shown}.", SECTION, name_of(row), "expressible")
    return WORDS[plain(said)]


@dataclass
class RuleBook:
    """A town's rules, and what became of the cases about each."""

    town: str
    rules: dict[str, Sayable] = field(default_factory=dict)
    unreadable: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    of_rule: dict[str, list[Outcome]] = field(default_factory=dict)

    @classmethod
    def of(cls, town: Document) -> "RuleBook":
        book = cls(name_of(town))
        given = town.get(SECTION)
        for place, row in enumerate(given if isinstance(given, list) else [], start=1):
            if not isinstance(row, Mapping):
                book.unreadable += 1
                continue
            try:
                book.rules[str(row.get("id") or place)] = _read(row)
            except Unreadable:
                book.unreadable += 1
        return book

    def excuses(self, rule: str) -> bool:
        """Whether a case about it may fail: the town's file cannot say the rule."""
        return self.rules.get(rule, Sayable.YES) is not Sayable.YES

    def note(self, rule: str, outcome: Outcome) -> None:
        self.outcomes[outcome] += 1
        if rule:
            self.of_rule.setdefault(rule, []).append(outcome)

    @property
    def said(self) -> int:
        return sum(one is Sayable.YES for one in self.rules.values())

    @property
    def lines(self) -> Iterator[str]:
        """What is to be told of the town besides its cases."""
        for rule, came in self.of_rule.items():
            if rule not in self.rules:
                yield f"la règle « {rule} », que nomme un cas, n'est pas dans town_rules."
            elif self.excuses(rule) and set(came) == {Outcome.RIGHT}:
                word = self.rules[rule].value
                yield f"la règle « {rule} » est notée « {word} », mais ses cas sortent justes : à relire."

    @property
    def sentence(self) -> str:
        """« 3 règles dicibles sur 4 ; cas : 10 justes, 0 faux, 2 pas encore dicibles »."""
        return f"{_said(self.said, len(self.rules) + self.unreadable)} ; {cases_said(self.outcomes)}"


def _said(said: int, of: int) -> str:
    return f"{counted(said, 'règle dicible', 'règles dicibles')} sur {of}"


def cases_said(outcomes: "Counter[Outcome]") -> str:
    parts = [
        counted(outcomes[Outcome.RIGHT], "juste", "justes"),
        f"{outcomes[Outcome.WRONG]} faux",
    ]
    if outcomes[Outcome.NOT_YET]:
        parts.append(counted(outcomes[Outcome.NOT_YET], "pas encore dicible", "pas encore dicibles"))
    if outcomes[Outcome.IN_WORDS]:
        parts.append(counted(outcomes[Outcome.IN_WORDS], "non rejoué", "non rejoués"))
    return f"cas : {', '.join(parts)}"


def total(books: "list[RuleBook]") -> str:
    """« En tout : 11 règles dicibles sur 22 (50 %) ; cas : … »."""
    said, of = sum(one.said for one in books), sum(len(one.rules) + one.unreadable for one in books)
    outcomes: Counter[Outcome] = Counter()
    for one in books:
        outcomes.update(one.outcomes)
    percent = f" ({round(100 * said / of)} %)" if of else ""
    return f"En tout : {_said(said, of)}{percent} ; {cases_said(outcomes)}"
