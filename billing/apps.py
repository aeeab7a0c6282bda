from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate

from billing.checks import payment_provider
from billing.immutable import install_after_migrate


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Facturation"

    def ready(self) -> None:
        post_migrate.connect(install_after_migrate, sender=self)
        register(payment_provider)
