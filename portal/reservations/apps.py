from django.apps import AppConfig


class ReservationsConfig(AppConfig):
    name = "portal.reservations"
    label = "reservations"
    # The desk shows the engine's tables in the portal's group.
    verbose_name = "Portail"
