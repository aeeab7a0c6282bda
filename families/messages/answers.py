"""Answers that the town keeps ready: which are offered for a thread, and what each says to its family.

offered(thread)                what an agent may begin the answer with; one query
said(answer, thread, today)    its text, the variables filled in for who wrote last
refusal(text)                  why a text cannot be kept; empty where it can
"""

from datetime import date

from django.db.models import Q

from families.messages import wording
from families.models import Guardian, ReadyAnswer, Thread, ThreadMessage
from portal.letters import variables

# In the order in which the page offers them, each with what it stands for.
VARIABLES = wording.VARIABLES | {"sujet": "le sujet de son message"}


def refusal(text: str) -> str:
    return variables.refusal(text, VARIABLES)


def offered(thread: Thread) -> list[ReadyAnswer]:
    """Those for all, and those for what it is about."""
    its = Q(kind=None) | Q(kind=thread.kind_id)
    return list(ReadyAnswer.objects.filter(its, active=True))


def said(answer: ReadyAnswer, thread: Thread, today: date) -> str:
    """Four queries."""
    facts = wording.Facts([thread.household_id], today)
    values = facts.of(thread.household, _who_wrote(thread)) | {"sujet": thread.subject}
    return variables.fill(answer.text, values)


def _who_wrote(thread: Thread) -> Guardian | None:
    """The adult whose message waits; None where the login is no longer one of the home's."""
    last = thread.messages.filter(side=ThreadMessage.Side.FAMILY).order_by("at", "pk").last()
    if last is None or last.by_id is None:
        return None
    return Guardian.objects.filter(household=thread.household_id, user=last.by_id).first()
