"""What stands beside every list of the desk: files of what it shows, filters kept by name.

A tool is registered by the floor that has what it needs; `DeskAdmin` asks each of them.
"""

from typing import TYPE_CHECKING, Any, Protocol

from django.http import FileResponse, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from portal.desk.site import DeskAdmin


Answer = HttpResponse | FileResponse


class ListTool(Protocol):
    def answer(self, page: "DeskAdmin[Any]", request: HttpRequest) -> Answer | None:
        """What was posted to the list's address, where it is for this tool."""
        ...

    def shown(self, page: "DeskAdmin[Any]", request: HttpRequest) -> dict[str, Any]:
        """What the list's template is told."""
        ...


_tools: dict[str, ListTool] = {}


def register(name: str, tool: ListTool) -> None:
    _tools[name] = tool


def answer(page: "DeskAdmin[Any]", request: HttpRequest) -> Answer | None:
    """The first answer; None where what was posted is Django's own, an action of the list say."""
    answers = (tool.answer(page, request) for tool in _tools.values())
    return next((one for one in answers if one is not None), None)


def shown(page: "DeskAdmin[Any]", request: HttpRequest) -> dict[str, Any]:
    """Of all tools."""
    return {name: value for tool in _tools.values() for name, value in tool.shown(page, request).items()}
