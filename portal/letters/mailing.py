"""Letters: rendered at once, sent by the worker once the transaction has committed."""

import logging
import re
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template import Context, Engine
from django.template.loader import get_template
from django.utils import timezone
from django_tasks import task

from portal import town

logger = logging.getLogger(__name__)

# A mail server that is down for lunch must not cost a family its letter.
RETRY_AFTER = [timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6)]


def post(template: str, to: list[str], context: dict[str, Any]) -> None:
    """Renders the letter `template` now and has it sent to each address of `to` after commit.

    `templates/emails/<template>.txt` gives the subject (first line), a blank line, then the text, and is
    rendered without HTML escaping; `templates/emails/<template>.html` gives the same letter in HTML. Both
    receive `context` plus `town` and `portal_url` (no trailing slash), so that a link is written
    `{{ portal_url }}{% url 'home' %}`.

    Everyone gets an own mail: the addresses of two separated parents are nobody else's business.
    Empty and repeated addresses are left out. Raises TemplateDoesNotExist when one of the two is missing.
    """
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
    message = EmailMultiAlternatives(subject, text, to=[to])
    message.attach_alternative(html, "text/html")
    try:
        message.send()
    except OSError as error:  # every SMTP error is one
        if attempt >= len(RETRY_AFTER):
            raise
        # The error's class only: its text may hold the address.
        logger.warning("Mail not sent (%s), attempt %d; trying again.", type(error).__name__, attempt + 1)
        later = send.using(run_after=timezone.now() + RETRY_AFTER[attempt])
        later.enqueue(to, subject, text, html, attempt + 1)
