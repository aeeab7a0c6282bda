"""Letters: rendered at once, sent by the worker once the transaction has committed.

Whoever holds a live link holds the account. So a letter with one is made by the worker as it sends it: until
then, and afterwards, the task table knows its kind and whose it is, and no link.

    post(template, to, context)     any other letter
    make_live(kind, make)           an app says how it makes a letter with a live link
    post_live(kind, key)            has it made and sent
"""

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template import Context, Engine
from django.template.loader import get_template
from django.utils import timezone
from django_tasks import task
from django_tasks.base import Task

from portal import town

logger = logging.getLogger(__name__)

# A mail server that is down for lunch must not cost a family its letter.
RETRY_AFTER = [timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6)]


class Letter(NamedTuple):
    """What a letter is rendered with, and the one address it goes to."""

    to: str
    context: dict[str, Any]


# A letter out of its key; None where there is nothing to send any more. Its kind is its template.
MakeLetter = Callable[[int], Letter | None]
_live: dict[str, MakeLetter] = {}


def make_live(kind: str, make: MakeLetter) -> None:
    """Letters of this kind are made by `make`, which is given the key that `post_live` was given."""
    _live[kind] = make


def live_kinds() -> set[str]:
    return set(_live)


def post_live(kind: str, key: int) -> None:
    """Has the letter made and sent after commit. Raises KeyError where nobody makes this kind."""
    if kind not in _live:
        raise KeyError(kind)
    transaction.on_commit(partial(send_live.enqueue, kind, key), robust=True)


def post(template: str, to: list[str], context: dict[str, Any]) -> None:
    """Renders the letter `template` now and has it sent to each address of `to` after commit.

    `templates/emails/<template>.txt` gives the subject (first line), a blank line, then the text, and is
    rendered without HTML escaping; `templates/emails/<template>.html` gives the same letter in HTML. Both
    receive `context` plus `town` and `portal_url` (no trailing slash), so that a link is written
    `{{ portal_url }}{% url 'home' %}`.

    Everyone gets an own mail: the addresses of two separated parents are nobody else's business.
    Empty and repeated addresses are left out. Raises TemplateDoesNotExist when one of the two is missing, and
    ValueError for a letter with a live link.
    """
    if template in _live:
        raise ValueError(f"{template} has a live link: see post_live")
    addresses = list(dict.fromkeys(address for address in to if address))
    if not addresses:
        return
    subject, text, html = render(template, context)
    for address in addresses:
        transaction.on_commit(partial(send.enqueue, address, subject, text, html), robust=True)


def render(template: str, context: dict[str, Any]) -> tuple[str, str, str]:
    """Subject, text and HTML of a letter (see `post`)."""
    filled = {"town": town.current(), "portal_url": settings.PORTAL_URL.rstrip("/")} | context
    plain = (
        Engine.get_default().get_template(f"emails/{template}.txt").render(Context(filled, autoescape=False))
    )
    first, _, rest = plain.strip().partition("\n")
    text = re.sub(r"\n{3,}", "\n\n", rest.strip()) + "\n"
    html = get_template(f"emails/{template}.html").render(filled)
    return " ".join(first.split()), text, html


@task(queue_name="mail")
def send(to: str, subject: str, text: str, html: str, attempt: int = 0) -> None:
    """Sends one mail; tries again later while the mail server refuses, then gives up and says so."""
    again = partial(_later, send, attempt, to, subject, text, html)
    _deliver(to, subject, text, html, attempt, again)


@task(queue_name="mail")
def send_live(kind: str, key: int, attempt: int = 0) -> None:
    """Makes a letter with a live link and sends it; a later attempt makes it anew."""
    letter = _live[kind](key)
    if letter is not None:
        again = partial(_later, send_live, attempt, kind, key)
        _deliver(letter.to, *render(kind, letter.context), attempt, again)


def _deliver(to: str, subject: str, text: str, html: str, attempt: int, again: Callable[[], object]) -> None:
    """Hands one mail to the server; while it refuses, `again` has it tried later."""
    message = EmailMultiAlternatives(subject, text, to=[to])
    message.attach_alternative(html, "text/html")
    try:
        message.send()
    except OSError as error:  # every SMTP error is one
        if attempt >= len(RETRY_AFTER):
            raise
        # The error's class only: its text may hold the address.
        logger.warning("Mail not sent (%s), attempt %d; trying again.", type(error).__name__, attempt + 1)
        again()


def _later(sending: Task[Any, Any], attempt: int, *given: Any) -> None:
    sending.using(run_after=timezone.now() + RETRY_AFTER[attempt]).enqueue(*given, attempt + 1)
