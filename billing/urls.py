from django.urls import path

from billing.pages import account, arrears, cards, invoices, late_collection, payment_urls, yearly

app_name = "billing"

urlpatterns = [
    path("", invoices.invoice_list, name="invoices"),
    path("mon-compte/", account.account, name="account"),
    path("mon-compte/releve.csv", account.statement_csv, name="account_csv"),
    path("mon-compte/releve.pdf", account.statement_pdf, name="account_pdf"),
    path("mon-compte/report/<int:statement_id>/", account.carried, name="carried"),
    path("mon-compte/report/<int:statement_id>/pdf/", account.carried_pdf, name="carried_pdf"),
    path("departs-tardifs/", late_collection.evenings, name="late"),
    path("cartes/", cards.card_list, name="cards"),
    path("cartes/<int:card_id>/acheter/", cards.buy, name="card_buy"),
    path("decision/", arrears.decision, name="arrears"),
    path("previsionnelle/", invoices.provisional_invoice, name="provisional"),
    path("essai.pdf", invoices.specimen_pdf, name="specimen"),
    path("<int:invoice_id>/", invoices.invoice, name="invoice"),
    path("<int:invoice_id>/en-plusieurs-fois/", invoices.pay_in_parts, name="pay_in_parts"),
    path("avoirs/<slug:number>/", invoices.credit_note, name="credit_note"),
    path("avoirs/<slug:number>/pdf/", invoices.credit_note_pdf, name="credit_note_pdf"),
    path("<int:invoice_id>/pdf/", invoices.invoice_pdf, name="invoice_pdf"),
    path("attestation-fiscale/<int:year>/", yearly.certificate, name="tax_certificate"),
    path("attestation-fiscale/<int:year>/pdf/", yearly.certificate_pdf, name="tax_certificate_pdf"),
    *payment_urls.urlpatterns,
]
