"""« Journal de caisse »: what was taken over any dates, by day, means and agent; PDF, CSV and XLSX."""

from datetime import date, timedelta
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone

from billing.admin import regies
from billing.admin.exporting import note_households
from billing.documents import files, takings
from billing.models import Payment
from billing.payments import closing
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over
from portal.french.dates import months_after
from portal.french.day_fields import DayField, first_of_month

PERMISSION = "billing.view_payment"
LINK = DeskLink(
    "Journal de caisse", "billing_payment_cash_book", PERMISSION, "par jour, par moyen et par agent"
)


class DatesForm(forms.Form):
    """From one day to another, both included."""

    du = DayField(label="Du")
    au = DayField(label="Au")

    def clean(self) -> None:
        first, last = self.cleaned_data.get("du"), self.cleaned_data.get("au")
        if first and last and last < first:
            self.add_error("au", "Ce jour vient avant le premier.")


class CashBook(OwnPages[Payment]):
    """Adds this page to payments'."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("journal/", wrap(self.cash_book), name="billing_payment_cash_book"),
            *super().get_urls(),
        ]

    def cash_book(self, request: HttpRequest) -> HttpResponseBase:
        """The book of `du`–`au`, of a month (`mois`) or of this one; `?format=pdf`, `csv` or `xlsx`."""
        self.demand(request, PERMISSION)
        first, last = _month(request.GET.get("mois", ""))
        form = DatesForm(request.GET if "du" in request.GET else None, initial={"du": first, "au": last})
        if form.is_valid():
            first, last = form.cleaned_data["du"], form.cleaned_data["au"]
        several = regies.choices()
        asked = request.GET.get("regie", "")
        regie = regies.chosen(asked) if asked in dict(several) else None
        kind = request.GET.get("format", "")
        if kind in ("csv", "xlsx"):
            note_households(
                request, f"Journal de caisse ({kind.upper()})", takings.of_days(first, last, regie)
            )
            rows = files.stream(kind, takings.COLUMNS, takings.rows(first, last, regie))
            return hand_over(rows, f"journal.{kind}")
        found = takings.takings(first, last, regie)
        if kind == "pdf":
            content = takings.render(found, timezone.localdate(), regie)
            return hand_over(content, f"Journal-{first:%Y-%m-%d}-{last:%Y-%m-%d}.pdf", inline=True)
        chosen = {"du": first.isoformat(), "au": last.isoformat()} | ({"regie": asked} if asked else {})
        context = {
            "form": form,
            "takings": found,
            "late": takings.late(first, last, regie),
            "closed_until": closing.closed_until(regie),
            "regies": several,
            "regie": asked,
            "files": [(name, urlencode(chosen | {"format": name})) for name in ("pdf", "csv", "xlsx")],
        }
        return self.page(request, "admin/billing/cash_book.html", LINK.title, context)


def _month(said: str) -> tuple[date, date]:
    """First and last day of a month as an address says it; else of this one."""
    try:
        first = first_of_month(said)
    except ValueError:
        first = timezone.localdate().replace(day=1)
    return first, months_after(first, 1) - timedelta(days=1)
