"""What billing adds to the register of processing."""

from families.privacy.processing import DUTY, Processing, register


def register_all() -> None:
    """Once the app is ready."""
    register(
        Processing(
            "Facturation et encaissement",
            "Établir les factures, encaisser, prélever, relancer, rendre compte au comptable public.",
            f"{DUTY} : comptabilité publique",
            "Responsables qui reçoivent les factures",
            "Destinataire, adresse, quotient, lignes facturées, règlements, IBAN",
            "Régie, comptable public, banque de la commune, prestataire de paiement en ligne",
            (
                "invoices",
                "reminder_letters",
                "arrears_decisions",
                "payment_answers",
                "mandates",
                "debit_files",
                "refunded_accounts",
                "voucher_histories",
            ),
        )
    )
