"""Each request has a number: in its answer, on the lines that are logged meanwhile, on the page of an error.

A trusted proxy may have given one (X-Request-ID), so that its lines and ours are found together.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist, loader
from django.views.decorators.csrf import requires_csrf_token
from django.views.defaults import server_error as bare_error

from portal.web.logs import request_number

logger = logging.getLogger("portal.access")
HEADER = "X-Request-ID"
GIVEN = re.compile(r"[\w.-]{6,64}", re.ASCII)
# Told on the telephone: no sign is taken for another.
SIGNS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def new_number() -> str:
    """« 7K3M-9QWX »."""
    signs = "".join(secrets.choice(SIGNS) for _ in range(8))
    return f"{signs[:4]}-{signs[4:]}"


def _number(request: HttpRequest) -> str:
    given = request.headers.get(HEADER, "") if settings.TRUSTED_PROXY_COUNT else ""
    return given if GIVEN.fullmatch(given) else new_number()


class RequestIdMiddleware:
    """Stands outside of all others: what they answer has its number, too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        number = _number(request)
        before = request_number.set(number)
        try:
            response = self.get_response(request)
            response[HEADER] = number
            if settings.ACCESS_LOG and not request.path_info.startswith(settings.STATIC_URL):
                _note(request, response.status_code, time.perf_counter() - began)
        finally:
            request_number.reset(before)
        return response


def _note(request: HttpRequest, status: int, seconds: float) -> None:
    """A line an answer: no address, no name, and of the address asked for nothing after « ? »."""
    method = request.method if request.method in ("GET", "HEAD", "POST") else "autre"
    account = getattr(getattr(request, "_cached_user", None), "pk", None)
    path = "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in request.path_info[:200]
    )
    access = {
        "method": method,
        "path": path,
        "status": status,
        "ms": round(seconds * 1000),
        "account": account,
    }
    logger.info(
        "%(method)s %(path)s %(status)s %(ms)s ms compte=%(account)s", access, extra={"access": access}
    )


@requires_csrf_token
def server_error(request: HttpRequest) -> HttpResponse:
    """The page of our own mistakes, with the number by which the logs tell of this one."""
    try:
        page = loader.get_template("500.html").render({"number": request_number.get()})
    except TemplateDoesNotExist:
        return bare_error(request)
    return HttpResponse(page, status=500)
