"""The footer's pages: legal notice, personal data, accessibility."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from families.models import ProcessingTexts
from families.privacy import retention


@login_not_required
def legal(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/legal.html")


@login_not_required
def privacy(request: HttpRequest) -> HttpResponse:
    """Written from the rows by which the night removes data: what it says is what is done."""
    kept = [
        {
            "label": kind.label,
            "words": retention.in_words(rule),
            "since": kind.since,
            "visa": bool(kind.dated_by) and rule.needs_visa,
            "active": rule.active,
        }
        for kind, rule in retention.rules()
    ]
    fixed = [(fixed.label, fixed.kept()) for fixed in retention.fixed()]
    texts = ProcessingTexts.current()
    return render(request, "portal/privacy.html", {"kept": kept, "fixed": fixed, "texts": texts})


@login_not_required
def accessibility(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/accessibility.html")
