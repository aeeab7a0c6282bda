"""Addresses of the steps that follow any planning."""

from django.urls import path

from portal.reservations.pages import steps

app_name = "reservations"
urlpatterns = [
    path("<slug:service>/toutes/", steps.all_reservations, name="all"),
    path("<int:reservation_id>/", steps.detail, name="detail"),
    path("<int:reservation_id>/validation/", steps.validation, name="validation"),
    path("<int:reservation_id>/enregistrement/", steps.recording, name="recording"),
    path("<int:reservation_id>/abandonner/", steps.abandon, name="abandon"),
]
