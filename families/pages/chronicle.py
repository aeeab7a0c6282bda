"""« Mon historique »: all that was done for a household, by whom, when."""

from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from families import as_family, which_home
from families.as_family import Part
from families.chronicle import entries
from families.chronicle.entries import Group
from families.privacy import telling
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

A_PAGE = 30
# What is told where that part of a family's pages is shown; the other groups everywhere.
SHOWN_WITH = {Group.MONEY: Part.MONEY, Group.LETTERS: Part.LETTERS}


@require_GET
def chronicle(request: SignedInRequest) -> HttpResponse:
    """The newest first; one child's, or one kind of things, where asked for."""
    guardian = which_home.find(request)
    if guardian is None:  # the first page says why
        return redirect("home")
    subject = telling.subject_of(guardian)
    child = posted_number(request.GET.get("enfant", ""))
    if child not in {one.pk for one in subject.children}:
        child = None
    group = request.GET.get("nature", "")
    shown = as_family.shown_to(request)
    told = [one for one in Group if one not in SHOWN_WITH or SHOWN_WITH[one] in shown]
    if group not in told:
        group = ""
    rows = entries.order(subject, group=group, child=child, within=told)
    found: Any = [] if rows is None else rows
    page = Paginator(found, A_PAGE).get_page(request.GET.get("page"))
    chosen = {"enfant": child, "nature": group}
    context = {
        "page": page,
        "happened": entries.said(subject, list(page.object_list)),
        "children": subject.children,
        "child": child,
        "groups": [(one.value, one.label) for one in told],
        "group": group,
        "kept": urlencode({name: value for name, value in chosen.items() if value}),
    }
    return render(request, "families/chronicle.html", context)
