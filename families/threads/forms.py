"""What is typed in a thread, by families and at the desk: a text, and files that are judged."""

from collections.abc import Sequence
from typing import Any

from django import forms

from families.models import Child, ThreadKind
from families.models.threads import SUBJECT_LENGTH
from families.threads import writing
from families.threads.writing import Brought, Said
from portal.files import uploads
from portal.web.form_fields import NamesItsFields, field_of

TOO_MANY_FILES = f"{writing.MOST_FILES} fichiers au plus par message."


class SeveralFiles(forms.ClearableFileInput):
    allow_multiple_selected = True

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Any]:
        found: list[Any] = files.getlist(name) if hasattr(files, "getlist") else []
        return found


class FilesField(forms.FileField):
    """Some files, or none; each judged by its content. Cleans to a list of `Brought`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=SeveralFiles(), required=False, **options)

    def clean(self, data: Any, initial: Any = None) -> Any:
        if len(data or ()) > writing.MOST_FILES:
            raise forms.ValidationError(TOO_MANY_FILES)
        return [self._judged(super(FilesField, self).clean(one, initial)) for one in data or ()]

    def _judged(self, file: Any) -> Brought:
        try:
            return Brought(file, uploads.check(file))
        except forms.ValidationError as refused:
            raise forms.ValidationError([f"{file.name} : {text}" for text in refused.messages]) from None


class MessageForm(NamesItsFields, forms.Form):
    """A word in a thread."""

    text = forms.CharField(
        label="Votre message",
        widget=forms.Textarea(attrs={"rows": 7}),
        max_length=writing.TEXT_LENGTH,
        error_messages={"required": "Écrivez votre message."},
    )
    attached = FilesField(
        label="Pièces jointes",
        help_text=f"{writing.MOST_FILES} fichiers au plus, 10 Mo en tout : PDF, JPEG, PNG ou HEIC.",
    )

    @property
    def brought(self) -> Sequence[Brought]:
        found: Sequence[Brought] = self.cleaned_data.get("attached") or ()
        return found


class FirstMessageForm(MessageForm):
    """What a thread begins with. What the town proposes is asked; a household with one child names none."""

    kind = forms.ModelChoiceField(
        label="À propos de", queryset=ThreadKind.objects.none(), required=False, empty_label="Autre chose"
    )
    child = forms.ModelChoiceField(
        label="Enfant concerné",
        queryset=Child.objects.none(),
        required=False,
        empty_label="Toute la famille",
    )
    subject = forms.CharField(
        label="Sujet",
        max_length=SUBJECT_LENGTH,
        help_text="En quelques mots\xa0: «\xa0Facture de novembre\xa0».",
        error_messages={"required": "Indiquez le sujet de votre message."},
    )
    field_order = ("kind", "child", "subject", "text", "attached")

    def __init__(self, *args: Any, children: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = ThreadKind.objects.filter(active=True)
        field_of(self, "kind", forms.ModelChoiceField).queryset = kinds
        field_of(self, "child", forms.ModelChoiceField).queryset = children
        if not kinds.exists():
            del self.fields["kind"]
        if children.count() < 2:
            del self.fields["child"]

    @property
    def said(self) -> Said:
        known = self.cleaned_data
        return Said(known["subject"], known["text"], known.get("kind"), known.get("child"), self.brought)
