"""Addresses of leisure."""

from django.urls import path

from leisure import views

app_name = "leisure"
urlpatterns = [
    path("inscription/", views.choose_child_to_enrol, name="choose_enrolment"),
    path("inscription/enfant/<int:child_id>/", views.enrol, name="enrol"),
    path("inscriptions/<int:enrolment_id>/", views.enrolment, name="enrolment"),
    path("notre-situation/", views.situation, name="situation"),
    path("reserver/", views.book, name="book"),
    path("reservation/", views.choose_child_to_book, name="choose_reservation"),
    path("reservation/<int:enrolment_id>/", views.start, name="start"),
    path(
        "planning/<int:enrolment_id>/<int:establishment_id>/<int:period_id>/",
        views.planning,
        name="planning",
    ),
]
