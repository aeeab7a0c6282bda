"""Paying online, under « factures/ » and in its namespace."""

from django.urls import path

from billing.pages import payments, wallet

urlpatterns = [
    path("regler/", payments.choose, name="pay"),
    path("compte/ajouter/", wallet.top_up, name="top_up"),
    path("panier/<int:cart_id>/payer/", payments.pay_cart, name="pay_cart"),
    path("regler/recapitulatif/", payments.summary, name="pay_summary"),
    path("paiements/<slug:reference>/", payments.payment, name="payment"),
    path("paiements/<slug:reference>/banque/", payments.go, name="payment_go"),
    path("paiements/<slug:reference>/abandonner/", payments.abandon, name="payment_abandon"),
    path("recus/<slug:number>/", payments.receipt, name="receipt"),
    path("retour/<slug:returning>/", payments.come_back, name="payment_return"),
    path("notifications/<slug:provider>/", payments.notification, name="payment_notification"),
    path(
        "notifications/<slug:provider>/<slug:code>/",
        payments.notification,
        name="regie_payment_notification",
    ),
    path("banque-de-demonstration/<str:token>/", payments.demo_bank, name="demo_bank"),
]
