from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate

from billing.invoices.immutable import install_after_migrate
from billing.payments.checks import payment_provider


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Facturation"

    def ready(self) -> None:
        post_migrate.connect(install_after_migrate, sender=self)
        from billing.prices.missed_days import WhatIsBilled  # models must be loaded first
        from portal.reservations.presence import certificates

        certificates.lend(WhatIsBilled())
        register(payment_provider)
