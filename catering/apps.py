from django.apps import AppConfig


class CateringConfig(AppConfig):
    name = "catering"
    verbose_name = "Restauration scolaire"

    def ready(self) -> None:
        # Models must be loaded first.
        from catering.models import Dish, Menu
        from catering.reminders import MENUS
        from families.reminders import kinds
        from portal.reservations.staff import scopes

        scopes.register(Menu, scopes.at("restaurant"))
        kinds.register(MENUS)
        scopes.register(Dish, scopes.at("menu__restaurant"))
