"""The town hall's desk: the register of processing, and the lists that the archives sign."""

from datetime import timedelta

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from families.models import DisposalList, ProcessingTexts
from families.privacy import archives, processing
from portal.desk.lists import StateBadge
from portal.desk.pages import OneRow, OwnPages, ShownOnly
from portal.desk.site import DeskLink, Queue
from portal.french.day_fields import DayField
from portal.web.signed_in import SignedInRequest


@admin.register(ProcessingTexts)
class ProcessingTextsAdmin(OneRow[ProcessingTexts], OwnPages[ProcessingTexts]):
    """One row, whose page is the register itself, with what the town has to say in it."""

    desk_order = 81
    desk_links = (
        DeskLink(
            "Registre des traitements",
            "families_processingtexts_register",
            "families.view_processingtexts",
            "données personnelles : finalités, durées, destinataires",
            order=80,
        ),
    )
    list_display = ("__str__", "updated_on")
    fields = ("controller", "officer", "processors", "transfers", "security", "updated_on")

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "registre/", self.admin_site.admin_view(self.register), name="families_processingtexts_register"
        )
        return [own, *super().get_urls()]

    def register(self, request: HttpRequest) -> HttpResponse:
        """The register as it is today, to read and to print."""
        if not self.has_view_or_change_permission(request):
            self.demand(request, "families.view_processingtexts")
        texts = ProcessingTexts.current()
        change = (
            reverse("admin:families_processingtexts_change", args=[texts.pk])
            if ProcessingTexts.objects.exists()
            else reverse("admin:families_processingtexts_add")
        )
        context = {
            "texts": texts,
            "activities": [(one, processing.durations(one)) for one in processing.activities()],
            "security": processing.SECURITY,
            "change": change if self.has_change_permission(request) else "",
        }
        return self.page(request, "admin/families/register.html", "Registre des traitements", context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may change it begins it."""
        return self.has_change_permission(request) and not ProcessingTexts.objects.exists()


class VisaForm(forms.Form):
    """What the archives wrote on the list."""

    on = DayField(label="Date du visa")
    reference = forms.CharField(label="Référence du visa", max_length=120)


@admin.register(DisposalList)
class DisposalListAdmin(StateBadge, OwnPages[DisposalList], ShownOnly[DisposalList]):
    """« Bordereaux d'élimination »: proposed by the night, closed and printed here, then signed."""

    desk_order = 83
    work_queues = (
        Queue(
            "Bordereaux d'élimination à envoyer ou à viser",
            lambda request: DisposalList.objects.filter(state__in=["proposed", "sent"]),
            order=90,
            since="proposed_at",
            late_after=timedelta(days=30),
            hint="archives départementales",
        ),
    )
    list_display = ("number", "label", "count", "state_badge", "proposed_at", "visa_reference", "open_link")
    list_display_links = ("number",)
    list_filter = ("state",)
    tints = {"proposed": "requested", "sent": "pending", "signed": "accepted", "done": "accepted"}
    fields = readonly_fields = (
        "label",
        "source",
        "kept_for",
        "count",
        "first_day",
        "last_day",
        "state_badge",
        "proposed_at",
        "sent_at",
        "visa_on",
        "visa_reference",
        "visa_noted_by",
        "done_at",
        "removed",
        "open_link",
    )

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<int:pk>/bordereau/", self.admin_site.admin_view(self.slip), name="families_disposal_slip"
        )
        return [own, *super().get_urls()]

    def slip(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """The list, to print; closed, then signed, by its two buttons."""
        self.demand(request, "families.change_disposallist")
        listed = get_object_or_404(DisposalList, pk=pk)
        form = VisaForm(request.POST if "sign" in request.POST else None)
        try:
            if "close" in request.POST:
                archives.close(listed, at=timezone.now())
                messages.success(request, "Le bordereau est arrêté : imprimez-le pour les archives.")
                return redirect("admin:families_disposal_slip", pk)
            if "sign" in request.POST and form.is_valid():
                archives.sign(
                    listed,
                    on=form.cleaned_data["on"],
                    reference=form.cleaned_data["reference"],
                    by=request.user,
                    today=timezone.localdate(),
                )
                messages.success(request, "Le visa est noté : la nuit prochaine élimine ce qui est listé.")
                return redirect("admin:families_disposal_slip", pk)
        except archives.VisaRefused as refusal:
            messages.error(request, str(refusal))
        context = {"listed": listed, "form": form}
        return self.page(request, "admin/families/slip.html", f"{listed}", context)

    @admin.display(description="bordereau", ordering="pk")
    def number(self, obj: DisposalList) -> str:
        return f"n°\xa0{obj.pk}"

    @admin.display(description="suite")
    def open_link(self, obj: DisposalList) -> SafeString:
        url = reverse("admin:families_disposal_slip", args=[obj.pk])
        return format_html('<a href="{}">Voir et imprimer</a>', url)
