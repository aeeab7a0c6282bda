"""What pages and forms say to who belongs to several households: which one is shown, how to see the others.

A library of every template, without a `{% load %}`: `{% csrf_token %}`, which every form that acts has, also
names the household that the form is shown for, so that none can forget it (`families.which_home`).
"""

from typing import Any

from django import template
from django.http import HttpRequest
from django.template.base import Parser, Token
from django.template.context import Context, RequestContext
from django.template.defaulttags import CsrfTokenNode
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from families import which_home
from portal.web.signed_in import signed_in

register = template.Library()


class FormTokens(CsrfTokenNode):
    def render(self, context: Context) -> SafeString:
        token = mark_safe(super().render(context))  # noqa: S308 Django's own field
        request = context.request if isinstance(context, RequestContext) else None
        if request is None or not token or which_home.is_desk(request):
            return token
        return format_html("{}{}", token, _field(request))


@register.tag
def csrf_token(parser: Parser, token: Token) -> FormTokens:
    return FormTokens()


@register.simple_tag(takes_context=True)
def household_field(context: Context) -> SafeString | str:
    """In a form that asks for a page: for which household it was shown, as `{% csrf_token %}` says it."""
    return _field(context["request"])


@register.inclusion_tag("families/_chosen_household.html", takes_context=True)
def chosen_household(context: Context) -> dict[str, Any]:
    """At the head of each page, for who belongs to several households."""
    request = signed_in(context["request"])
    shown = which_home.household(request)
    others = [one.household for one in which_home.guardians(request) if one.household_id != shown.pk]
    return {"shown": shown, "others": others}


def _field(request: HttpRequest) -> SafeString | str:
    if not which_home.several(request):
        return ""
    shown = which_home.household(signed_in(request)).pk
    return format_html('<input type="hidden" name="{}" value="{}">', which_home.FIELD, shown)
