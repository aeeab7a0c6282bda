"""Where a sentence begins with what was written to stand elsewhere, or goes on with it."""


def lower_first(words: str) -> str:
    """« Fermé pour travaux » within a sentence: « fermé pour travaux »; the rest stays as it is."""
    return words[:1].lower() + words[1:]


def inside(name: str) -> str:
    """A name within a sentence: « mercredis » for « Mercredis »; « PAI », « ALSH » stay."""
    return name if name[1:2].isupper() else lower_first(name)
