"""Names as people look for them: « lefevre » finds « Lefèvre », « d’aubigne » finds « D'Aubigné »."""

import re
from collections.abc import Iterable

from django.db.models import Q

from portal.french.letters import LIGATURES
from portal.french.letters import bare as bare
from portal.french.letters import unaccented as unaccented

# Both cases are written out: some databases know only those of the English alphabet.
ACCENTED = {
    "a": "àáâãäå",
    "c": "ç",
    "e": "èéêë",
    "i": "ìíîï",
    "n": "ñ",
    "o": "òóôõö",
    "u": "ùúûü",
    "y": "ýÿ",
}


def folded(text: str) -> str:
    """The words of `text`, bare, with a space between: « d'Aubigné-Gruß » is « d aubigne gruss »."""
    return " ".join(re.findall(r"\w+", bare(text)))


def pattern(word: str) -> str:
    """A regular expression, for Python and PostgreSQL, of a word however it is accented or punctuated."""
    return "".join(_part(part) for part in re.findall(r"oe|ae|.", bare(word), re.DOTALL))


def holds(word: str, *fields: str) -> Q:
    """That one of `fields` holds `word`, however it is spelled; those called `folded` hold names folded."""
    return Q(*(_holds(word, field) for field in fields), _connector=Q.OR)


# Of two letters or fewer too many names hold them: those that begin so are meant.
SHORT = 2


def has_words(words: Iterable[str], column: str) -> Q:
    """That `column`, which keeps names folded, holds all of these words, folded too, in any order."""
    asked = Q()
    for word in words:
        if len(word) > SHORT:
            asked &= Q(**{f"{column}__contains": word})
        else:
            asked &= Q(**{f"{column}__startswith": word}) | Q(**{f"{column}__contains": f" {word}"})
    return asked


def _holds(word: str, field: str) -> tuple[str, str]:
    if field.rpartition("__")[2] == "folded":
        # A word without a letter is no part of a name.
        return f"{field}__contains", folded(word) or word
    return f"{field}__iregex", pattern(word)


def _part(part: str) -> str:
    if len(part) > 1:
        ligature = next(sign for sign, letters in LIGATURES.items() if letters == part)
        return f"(?:{''.join(map(_part, part))}|{ligature}|{ligature.upper()})"
    if part in ACCENTED:
        return f"[{part}{part.upper()}{ACCENTED[part]}{ACCENTED[part].upper()}]"
    return part if part.isalnum() else r"\W"
