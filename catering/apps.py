from django.apps import AppConfig


class CateringConfig(AppConfig):
    name = "catering"
    verbose_name = "Restauration scolaire"

    def ready(self) -> None:
        from catering.models import Dish, Menu  # models must be loaded first
        from portal.reservations.staff import scopes

        scopes.register(Menu, scopes.at("restaurant"))
        scopes.register(Dish, scopes.at("menu__restaurant"))
