"""Addresses of absences, in French."""

from django.urls import path

from billing.pages import absences as views

app_name = "absences"

urlpatterns = [
    path("", views.certificate_list, name="certificates"),
    path("enfant/<int:child_id>/", views.report, name="report"),
    path("<int:certificate_id>/retirer/", views.withdraw, name="withdraw"),
]
