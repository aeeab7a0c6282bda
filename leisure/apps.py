from django.apps import AppConfig


class LeisureConfig(AppConfig):
    name = "leisure"
    verbose_name = "Accueil de loisirs et périscolaire"
