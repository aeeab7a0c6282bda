from django.urls import path

from billing import payment_urls, views

app_name = "billing"

urlpatterns = [
    path("", views.invoice_list, name="invoices"),
    path("<int:invoice_id>/", views.invoice, name="invoice"),
    path("<int:invoice_id>/pdf/", views.invoice_pdf, name="invoice_pdf"),
    *payment_urls.urlpatterns,
]
