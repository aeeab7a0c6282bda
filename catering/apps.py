from django.apps import AppConfig


class CateringConfig(AppConfig):
    name = "catering"
    verbose_name = "Restauration scolaire"
