"""« Mon historique »: all that was done for a household, by whom, when."""

from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from families import which_home
from families.chronicle import entries
from families.chronicle.entries import Group
from families.privacy import telling
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

A_PAGE = 30


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
    if group not in Group.values:
        group = ""
    rows = entries.order(subject, group=group, child=child)
    found: Any = [] if rows is None else rows
    page = Paginator(found, A_PAGE).get_page(request.GET.get("page"))
    chosen = {"enfant": child, "nature": group}
    context = {
        "page": page,
        "happened": entries.said(subject, list(page.object_list)),
        "children": subject.children,
        "child": child,
        "groups": Group.choices,
        "group": group,
        "kept": urlencode({name: value for name, value in chosen.items() if value}),
    }
    return render(request, "families/chronicle.html", context)
