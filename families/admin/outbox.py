"""« Boîte d'envoi », for the demo's staff: the letters as they are kept and, of those whose live link is kept
nowhere, what the demo's own mail server was handed."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.template.defaultfilters import linebreaksbr, urlize
from django.utils.safestring import SafeString

from families.models import Letter
from portal.desk.site import DeskAdmin, DeskLink
from portal.models import SentMail


class OutboxAdmin(DeskAdmin[Letter]):
    desk_order = 90
    desk_links = (
        DeskLink(
            "Boîte d'envoi (démonstration)", "families_letter_changelist", "families.view_letter", order=90
        ),
    )
    list_display = ("posted_at", "to", "subject", "state")
    list_display_links = ("subject",)
    search_fields = ("to", "subject")
    search_help_text = "Destinataire ou objet"
    fields = readonly_fields = ("posted_at", "to", "subject", "state", "letter")

    @admin.display(description="texte")
    def letter(self, obj: Letter) -> SafeString:
        # urlize has escaped the text already.
        return linebreaksbr(urlize(self._whole(obj), autoescape=True), autoescape=False)

    def _whole(self, letter: Letter) -> str:
        if not letter.live:
            return str(letter.text)
        mails = SentMail.objects.filter(to=letter.to, subject=letter.subject, sent_at__gte=letter.posted_at)
        mail = mails.order_by("sent_at", "pk").first()
        return mail.text if mail else str(letter.text)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Letter | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Letter | None = None) -> bool:
        return False


if settings.DEMO:
    admin.site.register(Letter, OutboxAdmin)
