"""Which child is meant, by its name: where the desk acts for one."""

from django.db.models import QuerySet

from families.models import Child
from portal.french import spelling

# A name that more children have is asked for more precisely.
MOST_FOUND = 30


def called(children: QuerySet[Child], words: str) -> QuerySet[Child]:
    """The first of `children` whose names hold each of these words, however they are spelled; nobody without
    a word."""
    found = children if words else children.none()
    for word in words.split():
        found = found.filter(spelling.holds(word, "first_name", "last_name"))
    return found[:MOST_FOUND]
