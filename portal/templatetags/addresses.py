"""`{% url %}` of every template: an address is composed once in a process, its numbers are put in each time.

A page of families has fifty; Django finds each of them anew among all addresses.
"""

from collections.abc import Hashable
from typing import Any

from django import template
from django.conf import settings
from django.template.base import Parser, Token
from django.template.context import Context
from django.template.defaulttags import URLNode
from django.template.defaulttags import url as django_url
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.html import conditional_escape
from django.utils.safestring import mark_safe

register = template.Library()

# No address has such numbers in its own words: where they stand, those that are asked for are put.
PLACES = (7_000_000_001, 7_000_000_003, 7_000_000_007)
# What stands around the numbers; None where an address is no text with numbers in it.
_kept: dict[tuple[Hashable, ...], list[str] | None] = {}


class AddressNode(URLNode):
    """As Django's, which answers whatever is not a name with numbers."""

    def __init__(self, view_name: Any, args: Any, kwargs: Any, asvar: Any) -> None:
        super().__init__(view_name, args, kwargs, asvar)
        self._may = not kwargs and len(args) <= len(PLACES)
        said = not (view_name.is_var or view_name.filters)
        self._said = str(view_name.var) if said else ""

    def render(self, context: Context) -> str:
        numbers = [arg.resolve(context) for arg in self.args] if self._may else []
        pieces = self._pieces(context, numbers)
        if pieces is None:
            return str(super().render(context))
        address = pieces[0]
        for number, piece in zip(numbers, pieces[1:], strict=True):
            address += f"{number}{piece}"
        if self.asvar:
            context[self.asvar] = address
            return ""
        return mark_safe(conditional_escape(address) if context.autoescape else address)  # noqa: S308 escaped

    def _pieces(self, context: Context, numbers: list[Any]) -> list[str] | None:
        if not self._may or get_script_prefix() != "/":
            return None
        name = self._said or self.view_name.resolve(context)
        if not isinstance(name, str):
            return None
        for number in numbers:
            if type(number) is not int or number < 0:
                return None
        request: Any = getattr(context, "request", None)
        match = getattr(request, "resolver_match", None)
        app = getattr(request, "current_app", match and match.namespace)
        key = (settings.ROOT_URLCONF, name, app, len(numbers))
        if key not in _kept:
            _kept[key] = _around(name, app, len(numbers))
        return _kept[key]


def _around(name: str, app: str | None, count: int) -> list[str] | None:
    try:
        rest = reverse(name, args=PLACES[:count], current_app=app)
    except NoReverseMatch:
        return None
    pieces = []
    for place in PLACES[:count]:
        before, found, rest = rest.partition(str(place))
        if not found:
            return None
        pieces.append(before)
    return [*pieces, rest]


@register.tag
def url(parser: Parser, token: Token) -> AddressNode:
    node = django_url(parser, token)
    return AddressNode(node.view_name, node.args, node.kwargs, node.asvar)
