"""Addresses of absences, in French."""

from django.urls import path

from billing.pages import absences as views
from billing.pages import sick

app_name = "absences"

urlpatterns = [
    path("", views.certificate_list, name="certificates"),
    path("malade/", sick.sick_today, name="sick"),
    path("enfant/<int:child_id>/", views.report, name="report"),
    path("<int:certificate_id>/retirer/", views.withdraw, name="withdraw"),
]
