"""Addresses of the steps that follow any planning."""

from django.urls import path

from portal.reservations.pages import views

app_name = "reservations"
urlpatterns = [
    path("<slug:service>/toutes/", views.all_reservations, name="all"),
    path("<int:reservation_id>/", views.detail, name="detail"),
    path("<int:reservation_id>/validation/", views.validation, name="validation"),
    path("<int:reservation_id>/enregistrement/", views.recording, name="recording"),
    path("<int:reservation_id>/abandonner/", views.abandon, name="abandon"),
]
