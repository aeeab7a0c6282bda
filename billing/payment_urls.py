"""Paying online, under « factures/ » and in its namespace."""

from django.urls import path

from billing import payment_views

urlpatterns = [
    path("regler/", payment_views.choose, name="pay"),
    path("regler/recapitulatif/", payment_views.summary, name="pay_summary"),
    path("paiements/<slug:reference>/", payment_views.payment, name="payment"),
    path("paiements/<slug:reference>/banque/", payment_views.go, name="payment_go"),
    path("paiements/<slug:reference>/abandonner/", payment_views.abandon, name="payment_abandon"),
    path("recus/<slug:number>/", payment_views.receipt, name="receipt"),
    path("retour/<slug:returning>/", payment_views.come_back, name="payment_return"),
    path("notifications/<slug:provider>/", payment_views.notification, name="payment_notification"),
    path("banque-de-demonstration/<str:token>/", payment_views.demo_bank, name="demo_bank"),
]
