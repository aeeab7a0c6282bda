"""What stands between braces in a text that the town hall writes: « Bonjour {prénom} ». Pure.

    unknown(text, known)      what it names that nobody knows, as it is written
    fill(text, values)        the text with each of them said

A name counts however it is spelled. What a value holds is never looked at again.
"""

import re
from collections.abc import Collection, Mapping

from portal.french.spelling import folded

BRACES = re.compile(r"\{([^{}\n]*)\}")


def unknown(text: str, known: Collection[str]) -> list[str]:
    """« {clase} », each once, in their order."""
    names = {folded(name) for name in known}
    found = [match[0] for match in BRACES.finditer(text) if folded(match[1]) not in names]
    return list(dict.fromkeys(found))


def refusal(text: str, known: Collection[str]) -> str:
    """The sentence for whoever wrote it; empty where all is known."""
    wrong = unknown(text, known)
    if not wrong:
        return ""
    said = ", ".join(f"{{{name}}}" for name in known)
    named = " et ".join(wrong)
    if len(wrong) == 1:
        return f"La variable {named} n'existe pas. Vous pouvez écrire\xa0: {said}."
    return f"Les variables {named} n'existent pas. Vous pouvez écrire\xa0: {said}."


def fill(text: str, values: Mapping[str, str]) -> str:
    """Raises KeyError for a name without a value."""
    known = {folded(name): value for name, value in values.items()}
    return BRACES.sub(lambda match: known[folded(match[1])], text)
