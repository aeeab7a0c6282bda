from django.apps import AppConfig


class LeisureConfig(AppConfig):
    name = "leisure"
    verbose_name = "Accueil de loisirs et périscolaire"

    def ready(self) -> None:
        from leisure.models import Centre  # models must be loaded first
        from portal.reservations.staff import scopes

        scopes.register(Centre, scopes.at("pk", adds=False))
