"""« Mes papiers »: what the town asks for, what was sent, its answer, until when; and sending one."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from families import which_home
from families.models import Child, PaperKind
from families.papers import asking, sending
from families.papers.asking import Line
from families.texts import standing
from portal.files import uploads
from portal.french.day_fields import DayField
from portal.web.bodies import takes_files
from portal.web.form_fields import NamesItsFields
from portal.web.interrupted import keeps_interrupted_form, posted
from portal.web.signed_in import SignedInRequest

SENT = "Votre papier est envoyé. La mairie le vérifie : vous recevrez un message dès qu'elle aura répondu."


class PaperForm(NamesItsFields, forms.Form):
    """A file, or a photo taken now; the date that its kind asks for."""

    file = forms.FileField(
        label="Fichier",
        required=False,
        help_text="PDF, JPEG, PNG ou HEIC, 10 Mo au plus.",
    )
    photo = forms.FileField(
        label="Ou prenez-le en photo",
        required=False,
        help_text="À plat, en entier, bien lisible.",
    )
    dated_on = DayField(label="Date inscrite sur le papier")
    ends_on = DayField(label="Valable jusqu'au", help_text="La date de fin inscrite sur le papier.")

    def __init__(self, *args: Any, kind: PaperKind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if kind.lasts != PaperKind.Lasts.NUMBER_OF_MONTHS:
            del self.fields["dated_on"]
        if kind.lasts != PaperKind.Lasts.OWN_DATE:
            del self.fields["ends_on"]
        self.content_type = ""

    def clean(self) -> dict[str, Any]:
        super().clean()
        brought = [name for name in ("file", "photo") if self.cleaned_data.get(name)]
        if not brought and not {"file", "photo"} & self.errors.keys():
            self.add_error("file", "Joignez le papier : un fichier, ou une photo.")
        elif len(brought) == 2:
            self.add_error("photo", "Un seul à la fois : le fichier, ou la photo.")
        for name in brought[:1]:
            try:
                self.content_type = uploads.check(self.cleaned_data[name])
            except forms.ValidationError as refused:
                self.add_error(name, refused)
            else:
                self.cleaned_data["given"] = self.cleaned_data[name]
        return self.cleaned_data

    @property
    def said(self) -> sending.Said:
        known = self.cleaned_data
        return sending.Said(known["given"], self.content_type, known.get("dated_on"), known.get("ends_on"))


@require_safe
def papers(request: SignedInRequest) -> HttpResponse:
    """All of the household's, then of each child; and the texts to accept."""
    household = which_home.household(request)
    today = timezone.localdate()
    lines = asking.of_home(household, today)
    texts = standing.of_home(household, today)
    groups: dict[Child | None, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.child, []).append(line)
    to_do = sum(line.is_to_do for line in lines)
    context = {"groups": list(groups.items()), "to_do": to_do, "texts": texts}
    context["texts_to_do"] = sum(line.is_to_do for line in texts)
    return render(request, "families/papers.html", context)


@takes_files
@keeps_interrupted_form
@require_http_methods(["GET", "HEAD", "POST"])
def send_paper(request: SignedInRequest, kind_id: int, child_id: int | None = None) -> HttpResponse:
    """One paper: what it is for, then the file. What is not asked of this family does not exist."""
    at = timezone.now()
    line = _line(request, kind_id, child_id, timezone.localdate(at))
    if not line.may_send:
        messages.info(request, _nothing_to_send(line))
        return redirect("families:papers")
    form = PaperForm(posted(request), request.FILES or None, kind=line.kind)
    if request.method == "POST" and form.is_valid():
        try:
            household = which_home.household(request)
            sending.send(household, line.kind, line.child, form.said, by=request.user, at=at)
        except sending.PaperRefused as refusal:
            form.add_error(refusal.field or None, str(refusal))
        else:
            messages.success(request, SENT)
            return redirect("families:papers")
    return render(request, "families/paper.html", {"line": line, "kind": line.kind, "form": form})


def _line(request: SignedInRequest, kind: int, child: int | None, today: date) -> Line:
    if child is not None:
        which_home.row(request, Child.objects.visible_to(request.user), pk=child)
    line = asking.to_give(which_home.household(request), kind, child, today)
    if line is None:
        raise Http404
    return line


def _nothing_to_send(line: Line) -> str:
    if line.status is asking.Status.TO_SHOW:
        return "Ce papier se montre au guichet : rien n'est à envoyer en ligne."
    if line.status is asking.Status.WAITS:
        return "L'autre foyer de votre enfant a envoyé ce papier : il attend la réponse de la mairie."
    return "Ce papier est en ordre : vous n'avez rien à envoyer."
