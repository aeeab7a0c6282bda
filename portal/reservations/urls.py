"""Addresses of the steps that follow any planning, and of « Mon agenda »."""

from django.urls import include, path, re_path

from portal.reservations.pages import (
    agenda,
    cancelling,
    carts,
    changing,
    ending,
    moves,
    oversights,
    renewing,
    steps,
    waiting,
)

app_name = "reservations"
of_reservations = [
    path("<slug:service>/toutes/", steps.all_reservations, name="all"),
    path(
        "annuler/<int:enrolment_id>/<int:establishment_id>/<int:period_id>/",
        cancelling.cancel_days,
        name="cancel_days",
    ),
    path("<int:reservation_id>/", steps.detail, name="detail"),
    path("<int:reservation_id>/validation/", steps.validation, name="validation"),
    path("<int:reservation_id>/enregistrement/", steps.recording, name="recording"),
    path("<int:reservation_id>/abandonner/", steps.abandon, name="abandon"),
    path("<int:reservation_id>/agenda.ics", agenda.of_reservation, name="agenda_of"),
    path("changer/<int:booking_id>/", changing.change, name="change"),
    path("panier/<int:cart_id>/", carts.cart, name="cart"),
    path("attente/<int:booking_id>/", waiting.place, name="place"),
    path("changement/<int:move_id>/retirer/", moves.withdraw, name="withdraw_move"),
    path("oublis/", oversights.page, name="oversights"),
    path("reinscrire/", renewing.renew, name="renew"),
]
of_enrolments = [
    path("<int:enrolment_id>/fin/", ending.end, name="end_enrolment"),
    path("<int:enrolment_id>/reprendre/", ending.resume, name="resume_enrolment"),
]
urlpatterns = [
    path("inscriptions/", include(of_enrolments)),
    path("reservations/", include(of_reservations)),
    path("mon-agenda/", agenda.page, name="calendar"),
    re_path(r"^mon-agenda/(?P<token>[\w-]{43})\.ics$", agenda.feed, name="calendar_feed"),
]
