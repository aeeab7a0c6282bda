"""« Écrire à la mairie »: a household's threads, all of whose adults read and write them."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from families import which_home
from families.models import Child, Thread, ThreadMessage
from families.threads import writing
from families.threads.forms import FirstMessageForm, MessageForm
from portal.web.bodies import takes_files
from portal.web.interrupted import keeps_interrupted_form, posted
from portal.web.signed_in import SignedInRequest

SENT = "Votre message est envoyé à la mairie. Vous recevrez un e-mail dès qu'elle aura répondu."


@takes_files
@keeps_interrupted_form
@require_http_methods(["GET", "HEAD", "POST"])
def write(request: SignedInRequest) -> HttpResponse:
    """A new subject."""
    at = timezone.now()
    household = which_home.household(request)
    children = Child.objects.living_in(household, timezone.localdate(at)).order_by("birth_date", "pk")
    form = FirstMessageForm(posted(request), request.FILES or None, children=children)
    if request.method == "POST" and form.is_valid():
        try:
            thread = writing.begin(household, form.said, by=request.user, at=at)
        except writing.ThreadRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, SENT)
            return redirect("families:thread", thread.pk)
    return render(request, "families/write.html", {"form": form, "household": household})


@takes_files
@keeps_interrupted_form
@require_http_methods(["GET", "HEAD", "POST"])
def thread(request: SignedInRequest, thread_id: int) -> HttpResponse:
    """What was written on both sides, and the next word. What is the desk's own is not read here."""
    at = timezone.now()
    visible = Thread.objects.visible_to(request.user).select_related("household", "kind", "child")
    found = which_home.row(request, visible, pk=thread_id)
    form = MessageForm(posted(request), request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            writing.reply(found, form.cleaned_data["text"], form.brought, by=request.user, at=at)
        except writing.ThreadRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, SENT)
            return redirect("families:thread", found.pk)
    said = found.messages.exclude(side=ThreadMessage.Side.NOTE).prefetch_related("files__document")
    return render(request, "families/thread.html", {"thread": found, "said": said, "form": form})
