"""« Mes rappels »: what a guardian wants to be reminded of, and the way to stop from a mail."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from families import which_home
from families.reminders import choices, kinds
from portal.web.signed_in import SignedInRequest


@require_http_methods(["GET", "HEAD", "POST"])
def reminders(request: SignedInRequest) -> HttpResponse:
    """Each kind, ticked or not."""
    guardian = which_home.find(request)
    if guardian is None:  # the first page says why
        return redirect("home")
    if request.method == "POST":
        offered = kinds.used_kinds()
        known = {kind.code for kind in offered}
        chosen = known & set(request.POST.getlist("kind"))
        choices.choose(guardian, chosen, at=timezone.now(), among=offered)
        messages.success(request, "Vos rappels sont enregistrés.")
        return redirect("families:reminders")
    wanted = choices.wanted([guardian])
    rows = [(kind, (guardian.pk, kind.code) in wanted) for kind in kinds.used_kinds()]
    return render(request, "families/reminders.html", {"rows": rows, "email": request.user.email})


@csrf_exempt  # The token is the proof, and no session is asked: mail programs post here by themselves.
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def stop_reminders(request: HttpRequest, token: str) -> HttpResponse:
    """Says what the button does; a program that only follows links stops nothing."""
    guardian = choices.named_by(token)
    if guardian is None:
        raise Http404
    if request.method == "POST":
        choices.stop(guardian, at=timezone.now())
    return render(request, "families/stop_reminders.html", {"stopped": request.method == "POST"})
