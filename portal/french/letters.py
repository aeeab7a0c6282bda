"""Letters without their marks: « Cœur » and « COEUR » are both « coeur ». Pure."""

import unicodedata

LIGATURES = {"œ": "oe", "æ": "ae"}
# Letters that are no accented ones for Unicode, and that people type without their mark.
PLAIN = str.maketrans(
    LIGATURES | {"ł": "l", "đ": "d", "ð": "d", "ø": "o", "ħ": "h", "ŧ": "t", "ı": "i", "þ": "th"}
)


def unaccented(text: str) -> str:
    """`text` with the bare letters of its accented ones."""
    signs = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in signs if not unicodedata.combining(sign))


def bare(text: str) -> str:
    """`text` in small letters without marks: « Cœur » and « COEUR » are both « coeur »."""
    return unaccented(text.casefold()).translate(PLAIN)
