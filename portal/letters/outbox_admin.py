"""« Boîte d'envoi », for the demo's staff: what would have been mailed, with its links."""

from django.contrib import admin
from django.http import HttpRequest
from django.template.defaultfilters import linebreaksbr, urlize
from django.utils.safestring import SafeString

from portal.desk.site import DeskAdmin, DeskLink
from portal.models import SentMail


class SentMailAdmin(DeskAdmin[SentMail]):
    desk_order = 90
    desk_links = (
        DeskLink(
            "Boîte d'envoi (démonstration)", "portal_sentmail_changelist", "portal.view_sentmail", order=90
        ),
    )
    list_display = ("sent_at", "to", "subject")
    list_display_links = ("subject",)
    search_fields = ("to", "subject")
    search_help_text = "Destinataire ou objet"
    fields = readonly_fields = ("sent_at", "to", "subject", "letter")

    @admin.display(description="texte")
    def letter(self, obj: SentMail) -> SafeString:
        # urlize has escaped the text already.
        return linebreaksbr(urlize(obj.text, autoescape=True), autoescape=False)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: SentMail | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SentMail | None = None) -> bool:
        return False
