"""Pages go out compressed: a planning over a slow line is a tenth of itself."""

import re

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

TEXTS = {
    "application/json",
    "application/manifest+json",
    "image/svg+xml",
    "text/calendar",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/plain",
}
REFUSED = re.compile(r"\bgzip\s*;\s*q=0(\.0*)?\s*(,|$)")


class CompressTextsMiddleware(GZipMiddleware):
    """Texts that are whole, and nothing else: PDFs, pictures and archives are compressed already, and a
    stream would go out in pieces that are each compressed for themselves.

    Why compressing is safe where pages hold secrets (BREACH) stands in docs/security.md: Django masks the
    CSRF token anew in each page, and the length of each answer varies by up to `max_random_bytes`.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        kind = response.get("Content-Type", "").partition(";")[0].strip().lower()
        if not isinstance(response, HttpResponse) or kind not in TEXTS:
            return response
        if REFUSED.search(request.headers.get("Accept-Encoding", "")):
            return response
        return super().process_response(request, response)
