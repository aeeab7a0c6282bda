"""Files that the desk hands over piece by piece."""

from typing import Any

from django.http import StreamingHttpResponse


def download(content: Any, name: str, content_type: str) -> StreamingHttpResponse:
    """A file handed over piece by piece, kept by no cache."""
    answer = StreamingHttpResponse(content, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "private, no-store"
    return answer
