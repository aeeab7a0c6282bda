"""« Messages aux familles »: written, looked at as a family reads them, sent, followed, stopped."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from families.desk_cells import person
from families.messages import attachments, audiences, sending, wording
from families.messages.audiences import RIGHT, Audience, read
from families.messages.own_parts import MOST_CHOSEN, Families
from families.messages.tasks import deliver, print_paper
from families.models import FamilyMessage, Household, Reading
from families.models.messages import MessageCopyQuerySet
from families.signing_in.asking_again import ask_again
from families.traces import reading
from portal.desk import rights
from portal.desk.lists import StateBadge
from portal.desk.pages import OwnPages
from portal.desk.site import DeskAdmin
from portal.files import uploads
from portal.files.handing_over import hand_over
from portal.french import moments
from portal.french.plurals import agreed, counted
from portal.web.bodies import takes_files
from portal.web.posted import posted_number, posted_numbers
from portal.web.signed_in import SignedInRequest, signed_in

FAILED_SHOWN = 200


class MessageForm(forms.ModelForm[FamilyMessage]):
    """What is said, with one more file; `dropped` are the files that go."""

    file = forms.FileField(
        label="Joindre un fichier",
        required=False,
        help_text="PDF, JPEG, PNG ou HEIC ; trois fichiers au plus, 4 Mo ensemble.",
    )

    class Meta:
        model = FamilyMessage
        fields = ("subject", "text")
        widgets = {"text": forms.Textarea(attrs={"rows": 12, "cols": 80})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.content_type = ""
        for name, missing in (("subject", "Écrivez l'objet."), ("text", "Écrivez le message.")):
            self.fields[name].required = True
            self.fields[name].error_messages["required"] = missing
        self.fields["subject"].widget.attrs["size"] = 60

    def clean_subject(self) -> str:
        return self._known("subject")

    def clean_text(self) -> str:
        return self._known("text")

    def _known(self, name: str) -> str:
        typed: str = self.cleaned_data[name]
        if refusal := wording.refusal(typed):
            raise forms.ValidationError(refusal)
        return typed

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file:
            self.content_type = attachments.check(self.instance if self.instance.pk else None, file)
        return file


@admin.register(FamilyMessage)
class FamilyMessageAdmin(StateBadge, OwnPages[FamilyMessage]):
    """A draft opens as its form, what has left as how far it got."""

    desk_order = 20
    exports = False
    list_display = ("subject_shown", "state_badge", "to_whom", "copies_shown", "author", "when")
    list_display_links = ("subject_shown",)
    list_filter = ("state",)
    list_select_related = ("written_by", "sent_by")
    search_fields = ("subject",)
    search_help_text = "Objet"
    tints = {"sending": "requested", "sent": "accepted", "stopped": "cancelled"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[FamilyMessage]:
        return super().get_queryset(request).defer("text").annotate(copies_made=Count("copies"))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # A draft is deleted from its own page, with its files.
        return {name: one for name, one in super().get_actions(request).items() if name != "delete_selected"}

    def has_delete_permission(self, request: HttpRequest, obj: FamilyMessage | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.is_draft)

    def delete_model(self, request: HttpRequest, obj: FamilyMessage) -> None:
        try:
            sending.discard_draft(obj)
        except sending.SendingRefused as refusal:
            raise PermissionDenied(str(refusal)) from None

    # Cells ----------------------------------------------------------------------------------------------

    @admin.display(description="objet", ordering="subject")
    def subject_shown(self, obj: FamilyMessage) -> str:
        return str(obj)

    @admin.display(description="exemplaires")
    def copies_shown(self, obj: Any) -> str:
        return "–" if obj.is_draft else str(obj.copies_made)

    @admin.display(description="par")
    def author(self, obj: FamilyMessage) -> str:
        return person(obj.sent_by or obj.written_by)

    @admin.display(description="le", ordering="written_at")
    def when(self, obj: FamilyMessage) -> str:
        return moments.moment(obj.sent_at or obj.written_at, year=True)

    # Written --------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path(f"<int:pk>/{words}/", wrap(page), name=f"families_familymessage_{name}")
            for words, page, name in (
                ("verifier", self.look_over, "check"),
                ("essai", require_POST(self.test), "test"),
                ("envoyer", require_POST(self.send), "send"),
                ("arreter", require_POST(self.stop), "stop"),
                ("reprendre", require_POST(self.resume), "resume"),
                ("lettres", require_GET(self.letters), "letters"),
                ("imprimer", require_POST(self.draw_letters), "draw"),
                ("piece", require_GET(self.attached), "attached"),
            )
        ]
        return [*own, *super().get_urls()]

    @takes_files
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._compose(signed_in(request), None)

    @takes_files
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        key = posted_number(object_id)
        message = None if key is None else self.get_queryset(request).filter(pk=key).first()
        if message is None or not self.has_view_permission(request, message):
            raise Http404
        may_write = self.has_change_permission(request, message)
        if request.method == "POST" and not may_write:
            raise PermissionDenied
        if message.is_draft and may_write:
            return self._compose(signed_in(request), message)
        return self._follow(signed_in(request), message)

    def _compose(self, request: SignedInRequest, message: FamilyMessage | None) -> HttpResponse:
        at = timezone.now()
        posted = request.POST if request.method == "POST" else None
        form = MessageForm(posted, request.FILES if posted is not None else None, instance=message)
        audience = Audience(request.user, self._chosen(request, message), at)
        # Both are looked at, so that all that is wrong is said at once.
        valid = audience.is_valid() and form.is_valid()
        if posted is not None and valid:
            try:
                # Held until its files are there too: what leaves meanwhile is what somebody looked over.
                with transaction.atomic():
                    saved = sending.save(
                        message,
                        subject=form.cleaned_data["subject"],
                        text=form.cleaned_data["text"],
                        audience=audience.data(),
                        by=request.user,
                        at=at,
                    )
                    self._keep_files(request, saved, form)
            except sending.SendingRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                return self._kept(request, saved)
        context = {
            "form": form,
            "said": [form["subject"], form["text"]],
            "audience": audience,
            "message": message,
            "files": list(message.files.all()) if message is not None else [],
            "variables": wording.VARIABLES.items(),
            "may_delete": message is not None and self.has_delete_permission(request, message),
        }
        title = "Écrire aux familles" if message is None else "Modifier le message"
        return self.page(request, "admin/families/message_form.html", title, context)

    def _chosen(self, request: HttpRequest, message: FamilyMessage | None) -> dict[str, list[str]]:
        if request.method == "POST":
            return read(request.POST)
        if message is not None:
            return dict(message.audience)
        # From a household's page.
        return {f"{Families.code}-homes_chosen": request.GET.getlist("foyer")}

    def _keep_files(self, request: SignedInRequest, message: FamilyMessage, form: MessageForm) -> None:
        for row in message.files.filter(pk__in=posted_numbers(request.POST.getlist("retirer"))):
            attachments.remove(row)
        if form.cleaned_data["file"]:
            attachments.add(message, form.cleaned_data["file"], form.content_type)

    def _kept(self, request: SignedInRequest, message: FamilyMessage) -> HttpResponse:
        self.log_change(request, message, "Message écrit.")
        if "_verifier" in request.POST:
            return redirect("admin:families_familymessage_check", message.pk)
        messages.success(request, "Le brouillon est gardé. Rien n'est parti.")
        return redirect("admin:families_familymessage_change", message.pk)

    # Looked at, sent --------------------------------------------------------------------------------------

    def _mine(self, request: HttpRequest, pk: int) -> FamilyMessage:
        """One that whoever asks may send; 404 for another."""
        self.demand(request, RIGHT)
        return get_object_or_404(rights.seen_by(request.user, FamilyMessage.objects.all(), RIGHT), pk=pk)

    def look_over(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """As one family reads it, to how many it goes, a test to oneself, then the sending."""
        message = self._mine(request, pk)
        if not message.is_draft:
            return redirect("admin:families_familymessage_change", message.pk)
        at = timezone.now()
        audience = Audience(request.user, message.audience, at)
        found = sending.reach(audience)
        shown = self._shown(message, audience, posted_number(request.GET.get("foyer", "")))
        context = {
            "message": message,
            "audience": audience,
            "to_whom": audience.words() if audience.is_valid() else "",
            "found": found,
            "count": counts_in_words(found),
            "why_not": self._why_not(message, audience, found),
            "seen": found.fingerprint(message),
            "shown": shown,
            "following": next((key for key in found.homes if shown and key > shown["home"].pk), None),
            "button": f"Envoyer à {counted(len(found.homes), 'famille', 'familles')}",
        }
        return self.page(request, "admin/families/message_check.html", "Vérifier le message", context)

    def _why_not(self, message: FamilyMessage, audience: Audience, found: sending.Reach) -> str:
        if refusal := sending.why_not(message):
            return refusal
        if not audience.is_valid():
            return "Les destinataires choisis ne vous sont plus ouverts\xa0: choisissez-les de nouveau."
        if audience.is_empty:
            return "Choisissez à qui écrire\xa0: toutes les familles, ou certaines."
        return "" if found.homes else sending.NOBODY

    def _shown(self, message: FamilyMessage, audience: Audience, wanted: int | None) -> Any:
        sample = sending.sample(audience, wanted) if not sending.why_not(message) else None
        if sample is None:
            return None
        home, adult = sample
        facts = wording.Facts([home.pk], timezone.localdate())
        files = list(message.files.all())
        to = adult.user.email if adult is not None and adult.user is not None else ""
        letter = sending.written_to(message, home, adult, facts, to=to, files=files)
        return {"home": home, "letter": letter, "files": files}

    def test(self, request: SignedInRequest, pk: int) -> HttpResponse:
        message = self._mine(request, pk)
        audience = Audience(request.user, message.audience, timezone.now())
        try:
            sending.test(message, audience, by=request.user, at=timezone.now())
        except sending.SendingRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"L'essai part à {request.user.email}, et à personne d'autre.")
        return redirect("admin:families_familymessage_check", message.pk)

    def send(self, request: SignedInRequest, pk: int) -> HttpResponse:
        message = self._mine(request, pk)
        ask_again(request)
        at = timezone.now()
        audience = Audience(request.user, message.audience, at)
        seen = request.POST.get("vu", "")
        try:
            # The task is a row of the same database: neither is kept without the other.
            with transaction.atomic():
                sent = sending.send(message, audience, seen=seen, by=request.user, at=at)
                deliver.enqueue(sent.pk)
        except sending.SendingRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:families_familymessage_check", message.pk)
        self.log_change(request, sent, "Message envoyé.")
        messages.success(request, "Le message part. Vous pouvez quitter cette page.")
        return redirect("admin:families_familymessage_change", sent.pk)

    # Followed ---------------------------------------------------------------------------------------------

    def _follow(self, request: SignedInRequest, message: FamilyMessage) -> HttpResponse:
        copies = self._copies(request, message)
        failed = copies.failed().select_related("guardian", "letter", "household")
        progress = sending.progress(message)
        unseen = progress.paper > copies.filter(guardian=None).count()
        waiting = copies.filter(guardian=None, letter__state="paper").count()
        context = {
            "message": message,
            "state": self.state_badge(message),
            "author": person(message.sent_by or message.written_by),
            "progress": progress,
            "left": progress.all - progress.written,
            "failed": list(failed.order_by("pk")[:FAILED_SHOWN]),
            "failed_more": max(failed.count() - FAILED_SHOWN, 0),
            "knows_undelivered": request.user.has_perm("families.view_undeliveredletter"),
            "knows_paper": request.user.has_perm("families.view_paperletter"),
            "unseen": unseen,
            "files": list(message.files.all()),
            "may_send": request.user.has_perm(RIGHT) and self.may(request, message, "add"),
            "to_print": waiting,
        }
        return self.page(request, "admin/families/message.html", str(message), context)

    def _copies(self, request: SignedInRequest, message: FamilyMessage) -> MessageCopyQuerySet:
        """Those whose families the reader may know to be of its audience: a role may have lost places since,
        or never have had the right that somebody else chose them with."""
        if audiences.beyond(request.user).filter(pk=message.pk).exists():
            return message.copies.none()
        homes = Household.objects.all()
        seen = rights.seen_by(request.user, homes, "families.view_familymessage", RIGHT)
        return message.copies.all() if seen is homes else message.copies.filter(household__in=seen)

    def stop(self, request: SignedInRequest, pk: int) -> HttpResponse:
        message = self._mine(request, pk)
        if sending.stop(message, at=timezone.now()):
            self.log_change(request, message, "Envoi arrêté.")
            messages.success(request, "L'envoi est arrêté. Ce qui était déjà parti l'est.")
        else:
            messages.warning(request, "Il n'y avait plus rien à arrêter.")
        return redirect("admin:families_familymessage_change", message.pk)

    def resume(self, request: SignedInRequest, pk: int) -> HttpResponse:
        message = self._mine(request, pk)
        ask_again(request)
        try:
            with transaction.atomic():
                resumed = sending.resume(message)
                if resumed:
                    deliver.enqueue(message.pk)
        except sending.SendingRefused as refusal:
            messages.error(request, str(refusal))
        else:
            if resumed:
                self.log_change(request, message, "Envoi repris.")
                messages.success(request, "L'envoi reprend\xa0: personne ne reçoit le message deux fois.")
        return redirect("admin:families_familymessage_change", message.pk)

    def letters(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """The letters on paper, as the worker drew them: one file, for who may read each of them."""
        message = self._mine(request, pk)
        on_paper = message.copies.filter(guardian=None)
        if on_paper.exclude(pk__in=self._copies(request, message).values("pk")).exists():
            raise PermissionDenied
        if not message.paper:
            messages.warning(request, "Les lettres ne sont pas encore prêtes.")
            return redirect("admin:families_familymessage_change", message.pk)
        try:
            with message.paper.open("rb") as file:
                content: bytes = file.read()
        except FileNotFoundError:
            raise Http404 from None
        homes = message.copies.filter(guardian=None).values_list("household", flat=True)
        reading.note(
            request, Reading.Kind.EXPORT, what=f"Lettres du message {message.pk} (PDF)", households=homes
        )
        return hand_over(content, f"lettres-{message.pk}.pdf")

    def draw_letters(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """Has the letters drawn anew: one of them may have gone with its family, and the file with it."""
        message = self._mine(request, pk)
        if message.copies.filter(guardian=None, letter__isnull=False).exists():
            print_paper.enqueue(message.pk)
            messages.success(request, "Les lettres se préparent.")
        return redirect("admin:families_familymessage_change", message.pk)

    def attached(self, request: SignedInRequest, pk: int) -> HttpResponseBase:
        """A file (« fichier=3 ») of a message that whoever asks may look at."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        message = get_object_or_404(self.get_queryset(request), pk=pk)
        row = message.files.filter(pk=posted_number(request.GET.get("fichier", "")) or 0).first()
        if row is None:
            return redirect("admin:families_familymessage_change", message.pk)
        try:
            file = row.file.open("rb")
        except FileNotFoundError:
            raise Http404 from None
        return uploads.response(file, name=row.name, content_type=row.content_type)


def counts_in_words(found: sending.Reach) -> str:
    """« 214 familles, dont 12 sans adresse e-mail »."""
    homes = counted(len(found.homes), "famille", "familles")
    mails = counted(len(found.adults), "e-mail", "e-mails")
    if not found.paper:
        return f"{homes}, {mails}."
    without = f"dont {len(found.paper)} sans adresse e-mail qui réponde"
    letters = agreed(len(found.paper), "une lettre à imprimer", "des lettres à imprimer")
    return f"{homes}, {without}\xa0: {mails}, {letters}."


class WritesToFamilies(DeskAdmin[Household]):
    """« Écrire à ces familles » of the list of households."""

    def right_for(self, verb: str) -> str:
        return RIGHT if verb == "write_to" else super().right_for(verb)

    def has_write_to_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(RIGHT)

    @admin.action(description="Écrire à ces familles…", permissions=["write_to"])
    def write_to_selected(
        self, request: SignedInRequest, queryset: QuerySet[Household]
    ) -> HttpResponse | None:
        """A draft with these households alone: nothing leaves yet."""
        keys = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_CHOSEN + 1])
        if not keys or len(keys) > MOST_CHOSEN:
            messages.error(request, f"Choisissez de 1 à {MOST_CHOSEN} foyers.")
            return None
        chosen = {f"{Families.code}-homes_chosen": [str(key) for key in keys]}
        draft = sending.save(None, subject="", text="", audience=chosen, by=request.user, at=timezone.now())
        return redirect("admin:families_familymessage_change", draft.pk)


def write_to(user: Any, household: Household) -> str:
    """The button of a household's page."""
    if not household.is_accepted or not rights.may(user, household, RIGHT):
        return ""
    return f"{reverse('admin:families_familymessage_add')}?foyer={household.pk}"
