"""« de » before a name: « de Lina », « d'Inès », « d'Yves », « de Yasmine ». Pure."""

from portal.french.spelling import bare

VOWELS = frozenset("aeiou")


def of(name: str) -> str:
    """« de » and the name, elided before a vowel. Before « h » it stays, since no spelling tells whether it
    is aspirated; « y » is a vowel where a consonant follows."""
    letters = bare(name.strip())
    first, second = letters[:1], letters[1:2]
    elided = first in VOWELS or (first == "y" and second.isalpha() and second not in VOWELS)
    return f"d'{name}" if elided else f"de {name}"
