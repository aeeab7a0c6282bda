"""A text to accept: what it is for, how it reads today, and the family's answer for all its children."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from families import which_home
from families.custody import homes
from families.models import Child, TextVersion, in_force
from families.texts import accepting, standing
from families.texts.standing import Line
from portal.files import uploads
from portal.web.interrupted import keeps_interrupted_form, posted
from portal.web.signed_in import SignedInRequest

YES, NO = "oui", "non"


class AnswerForm(forms.Form):
    """One answer of the household, or one of each child: an acceptance, or a yes or no."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, version: TextVersion, children: list[Child], known: list[Line], **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.text, self.initial["version"] = version.text, version.pk
        self.subjects: dict[str, Child | None] = {}
        given = {line.child.pk if line.child else None: line.answer for line in known}
        for child in children if self.text.is_childs else [None]:
            name, key = f"answer-{child.pk if child else 0}", child.pk if child else None
            answer, whose = given.get(key), f" pour {child.first_name}" if child else ""
            self.subjects[name] = child
            if self.text.is_free:
                self.fields[name] = forms.ChoiceField(
                    label=f"Votre réponse{whose}",
                    choices=[(YES, "Oui, je suis d'accord"), (NO, "Non")],
                    widget=forms.RadioSelect,
                    required=False,
                    initial=None if answer is None else YES if answer.accepted else NO,
                )
            elif answer is None:
                self.fields[name] = forms.BooleanField(
                    label=f"J'ai lu ce texte et je l'accepte{whose}", required=False
                )

    def clean(self) -> dict[str, Any]:
        super().clean()
        if not self.errors and not self.answers:
            first = next((name for name in self.subjects if name in self.fields), None)
            said = (
                "Choisissez votre réponse." if self.text.is_free else "Cochez la case pour accepter ce texte."
            )
            self.add_error(first, said)
        return self.cleaned_data

    @property
    def answers(self) -> dict[int | None, bool]:
        found: dict[int | None, bool] = {}
        for name, child in self.subjects.items():
            said = self.cleaned_data.get(name)
            if said:
                found[child.pk if child else None] = said != NO
        return found

    @property
    def asks(self) -> bool:
        return len(self.fields) > 1


@keeps_interrupted_form
@require_http_methods(["GET", "HEAD", "POST"])
def asked_text(request: SignedInRequest, code: str) -> HttpResponse:
    """Open to every family: what an activity asks for may be read and accepted before one enrols."""
    at = timezone.now()
    today = timezone.localdate(at)
    household = which_home.household(request)
    version = next((one for one in in_force(today).values() if one.text.code == code), None)
    if version is None:
        raise Http404
    lines = [one for one in standing.of_home(household, today) if one.version.pk == version.pk]
    children = homes.children(household, today)
    form = AnswerForm(posted(request), version=version, children=children, known=lines)
    if request.method == "POST" and form.is_valid():
        read = TextVersion.objects.filter(pk=form.cleaned_data["version"], text=version.text).first()
        try:
            if read is None:  # whatever was read, it is no version of this text
                raise accepting.AnswerRefused(accepting.CHANGED)
            accepting.answer(household, read, form.answers, by=request.user, at=at)
        except accepting.AnswerRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request, "Votre réponse est enregistrée, pour toutes les activités qui la demandent."
            )
            return redirect("families:papers")
    context = {"version": version, "text": version.text, "lines": lines, "form": form}
    return render(request, "families/text.html", context)


@require_GET
def text_file(request: SignedInRequest, version_id: int) -> FileResponse:
    """The text as a PDF: any version up to today's, so that a family finds what it accepted."""
    known = TextVersion.objects.exclude(file="").filter(starts_on__lte=timezone.localdate())
    version = get_object_or_404(known, pk=version_id)
    name = uploads.safe_name(f"{version.text.code}.pdf", "application/pdf")
    return uploads.response(version.file.open("rb"), name=name, content_type="application/pdf")
