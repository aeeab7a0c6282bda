"""`{% csrf_token %}` for who belongs to several households: the form also names the one that it is shown for.

In the place that every form has, so that none can forget it (`families.which_home`).
"""

from django import template
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
        if request is None or not token or which_home.is_desk(request) or not which_home.several(request):
            return token
        shown = which_home.household(signed_in(request)).pk
        return format_html('{}<input type="hidden" name="{}" value="{}">', token, which_home.FIELD, shown)


@register.tag
def csrf_token(parser: Parser, token: Token) -> FormTokens:
    return FormTokens()
