"""The town's own words in the portal's letters: subject, first and last sentences, by kind of letter.

    of("families/paper_asked") -> Words        as the town wrote them; empty where it wrote none
    kinds() -> {kind: label}                   the letters that may have some

A town that wrote none costs no query. Letters of accounts (passwords, factors) say the same everywhere: who
reads one knows how it looks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

from portal import town
from portal.letters import variables
from portal.models import LetterWording, own_wordings

FOLDER = Path(settings.BASE_DIR) / "templates" / "emails"
EVERY = ""
EVERY_LABEL = "Toutes les lettres"
# The subject alone may say the usual one again.
VARIABLES = ("prénom", "commune", "service")
OF_SUBJECT = (*VARIABLES, "objet")
SUBJECT = re.compile(r"{%\s*block subject\s*%}(.*?){%\s*endblock\s*%}", re.DOTALL)
TAGS = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
UNTOUCHED = "account/"


@dataclass(frozen=True)
class Words:
    """Empty: the usual ones, or none."""

    subject: str = ""
    opening: str = ""
    closing: str = ""


NONE = Words()


@cache
def kinds() -> Mapping[str, str]:
    """By kind « families/paper_asked », how it is called: its usual subject, « … » for what changes in it."""
    found = {}
    for path in sorted(FOLDER.glob("*/*.txt")):
        kind = path.relative_to(FOLDER).with_suffix("").as_posix()
        subject = SUBJECT.search(path.read_text(encoding="utf-8"))
        if subject is not None and not kind.startswith(UNTOUCHED):
            said = " ".join(TAGS.sub(" … ", subject[1]).split())
            said = re.sub(r"(… ?)+", "… ", said).strip()
            found[kind] = said if said.strip("… ") else f"{kind} ({said})"
    return found


def label(kind: str) -> str:
    return EVERY_LABEL if kind == EVERY else kinds().get(kind, kind)


def of(kind: str) -> Words:
    """What the town wrote for this kind and, where it left something out, for all."""
    if not town.current().own_letter_words or kind.startswith(UNTOUCHED):
        return NONE
    rows = own_wordings()
    mine, every = rows.get(kind, ("", "", "")), rows.get(EVERY, ("", "", ""))
    return Words(*(own or general for own, general in zip(mine, every, strict=True)))


def said(words: str, name: str, usual_subject: str = "") -> str:
    """The words with their variables; `name` is the first name that the letter greets."""
    here = town.current()
    values = {"prénom": name, "commune": here.name, "service": here.service, "objet": usual_subject}
    return variables.fill(words, values)


def refusal(row: LetterWording) -> dict[str, str]:
    """By field, the sentence for what cannot stand there."""
    found = {
        "subject": variables.refusal(row.subject, OF_SUBJECT),
        "opening": variables.refusal(row.opening, VARIABLES),
        "closing": variables.refusal(row.closing, VARIABLES),
    }
    if row.kind != EVERY and row.kind not in kinds():
        found["kind"] = f"Aucune lettre ne s'appelle «\xa0{row.kind}\xa0»."
    return {name: sentence for name, sentence in found.items() if sentence}
