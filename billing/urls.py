from django.urls import path

from billing import payment_urls, views, yearly_views

app_name = "billing"

urlpatterns = [
    path("", views.invoice_list, name="invoices"),
    path("previsionnelle/", views.provisional_invoice, name="provisional"),
    path("<int:invoice_id>/", views.invoice, name="invoice"),
    path("<int:invoice_id>/pdf/", views.invoice_pdf, name="invoice_pdf"),
    path("attestation-fiscale/<int:year>/", yearly_views.certificate, name="tax_certificate"),
    path("attestation-fiscale/<int:year>/pdf/", yearly_views.certificate_pdf, name="tax_certificate_pdf"),
    *payment_urls.urlpatterns,
]
