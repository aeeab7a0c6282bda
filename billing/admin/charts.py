"""« Facturé, payé, impayé » at the desk: a drawing without a script, and the table it is drawn from."""

from decimal import Decimal

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import urlencode

from billing.admin import bookkeeping
from billing.documents import charts, files
from billing.invoices import regies
from billing.models import Payment
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over
from portal.french.amounts import euros
from portal.french.dates import months_after

PERMISSION = bookkeeping.PERMISSION
LINK = DeskLink(
    "Facturé, payé, impayé", "billing_payment_chart", PERMISSION, "mois par mois, en graphique et en tableau"
)
LENGTHS = (12, 24)
COLUMNS = ("Mois", "Facturé", "Payé", "Impayé")


class Charts(OwnPages[Payment]):
    """Adds this page to a model's."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.chart)
        return [path("graphique/", view, name="billing_payment_chart"), *super().get_urls()]

    def chart(self, request: HttpRequest) -> HttpResponseBase:
        """The last 12 or 24 months, of all or one service and régie; `?format=csv` gives the table alone."""
        self.demand(request, PERMISSION)
        services = charts.services()
        service = request.GET.get("service", "")
        if service not in dict(services):
            service = ""
        length = next((each for each in LENGTHS if str(each) == request.GET.get("mois")), LENGTHS[0])
        first = months_after(timezone.localdate().replace(day=1), 1 - length)
        names = {str(key or 0): (key, name) for key, name in regies.all_named().items()}
        regie = request.GET.get("regie", "")
        regie = regie if regie in names else ""
        months = charts.months_of(first, length, service, (names[regie][0],) if regie else ())
        if request.GET.get("format") == "csv":
            rows = ((month.name, month.billed, month.paid, month.left) for month in months)
            return hand_over(files.csv_stream(COLUMNS, rows), "facture-paye-impaye.csv")
        by_regie = charts.regies_of(first, length, service) if names and not regie else {}
        billed = sum((month.billed for month in months), Decimal(0))
        paid = sum((month.paid for month in months), Decimal(0))
        context = {
            "services": services,
            "service": service,
            "service_name": dict(services).get(service, ""),
            "regies": [(value, name) for value, (_, name) in names.items()],
            "regie": regie,
            "regie_name": names[regie][1] if regie else "",
            "by_regie": [
                (name, euros(one.billed), euros(one.paid), euros(one.left))
                for key, name in names.values()
                if (one := by_regie.get(key))
            ],
            "lengths": LENGTHS,
            "length": length,
            "span": f"{months[0].name} à {months[-1].name}",
            "chart": charts.chart(months),
            "rows": [
                (month.name, euros(month.billed), euros(month.paid), euros(month.left)) for month in months
            ],
            "totals": (euros(billed), euros(paid), euros(billed - paid)),
            "empty": not billed and not paid,
            "csv": urlencode({"mois": str(length), "service": service, "regie": regie, "format": "csv"}),
        }
        return self.page(request, "admin/billing/chart.html", LINK.title, context)
