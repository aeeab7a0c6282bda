"""What a request may carry, decided before a byte of it is read: nobody fills the disk or the memory.

A form is small. Files come in where somebody is logged in and the page takes some: a view says
`@takes_files`, a page of the desk `takes_files = True`. Anywhere else a file is let go, and touches no disk.
"""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from django.conf import settings
from django.core.files.uploadhandler import (
    FileUploadHandler,
    MemoryFileUploadHandler,
    SkipFile,
    TemporaryFileUploadHandler,
)
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

MEGABYTE = 1024 * 1024
LARGEST_FORM: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
# The largest file that a page takes (10 Mo, whose sentence the page says itself), with some to spare.
LARGEST_WITH_FILES = 11 * MEGABYTE
# Of a page that takes tables (20 Mo).
LARGEST_WITH_TABLES = 21 * MEGABYTE
TOO_LARGE, WITHOUT_LENGTH = 413, 411

View = TypeVar("View", bound=Callable[..., Any])


def takes_files(view: View) -> View:
    """Marks a view, or a page of the desk, whose form has files."""
    mark: Any = view
    mark.takes_files = True
    return view


def takes_tables(view: View) -> View:
    """As `takes_files`, of a page to which a town hall brings whole tables."""
    mark: Any = view
    mark.largest_body = LARGEST_WITH_TABLES
    return takes_files(view)


class NoFiles(FileUploadHandler):
    """Lets every file go; the fields beside it are read."""

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> NoReturn:
        raise SkipFile

    def file_complete(self, file_size: int) -> None:
        return None


class BoundedBodyMiddleware:
    """Answers 413 to what is larger than its page can mean. Stands before whatever reads a body.

    A length is what is announced, and no more than that is ever read; a body without one is refused (411).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = _length(request)
        most = LARGEST_WITH_TABLES if _may_carry_files(request) else LARGEST_FORM
        if length > most:
            return _refused(TOO_LARGE)
        if not length and request.META.get("HTTP_TRANSFER_ENCODING"):
            return _refused(WITHOUT_LENGTH)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Here the page and the person are known, and the body is still unread."""
        if not _may_carry_files(request):
            return None
        if not _takes_files(view):
            return _refused(TOO_LARGE) if _length(request) > LARGEST_FORM else None
        if _length(request) > getattr(view, "largest_body", LARGEST_WITH_FILES):
            return _refused(TOO_LARGE)
        if request.user.is_authenticated:
            request.upload_handlers = [MemoryFileUploadHandler(request), TemporaryFileUploadHandler(request)]
        return None  # somebody whose session has just expired: the file is let go, the fields are kept


def _length(request: HttpRequest) -> int:
    announced = request.META.get("CONTENT_LENGTH") or "0"
    return int(announced) if announced.isascii() and announced.isdigit() else 0


def _may_carry_files(request: HttpRequest) -> bool:
    return request.method == "POST" and request.content_type == "multipart/form-data"


def _takes_files(view: Any) -> bool:
    desk_page = getattr(view, "model_admin", None)
    return getattr(view, "takes_files", False) or getattr(desk_page, "takes_files", False)


def _refused(status: int) -> HttpResponse:
    return HttpResponse(render_to_string("413.html"), status=status)


def brings_files(request: HttpRequest) -> bool:
    """Whether files came in with a form, on a page that says `@takes_files`."""
    return bool(request.FILES)
