"""Who is asked for quotients: the API Particulier where the town has its key, else the demo's own fund."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from families.funds.api_particulier import ApiParticulier
from families.funds.demo_fund import DemoFund
from families.funds.interface import QuotientSource
from portal.french.official_numbers import check_siret

LOCAL = {"localhost", "127.0.0.1", "::1"}


def current() -> QuotientSource | None:
    """None where the town asks nobody: nothing of it is shown then."""
    if settings.API_PARTICULIER_TOKEN:
        return ApiParticulier()
    return DemoFund() if settings.DEMO else None


def offered() -> bool:
    """Whether quotients can be asked for."""
    return bool(settings.API_PARTICULIER_TOKEN) or settings.DEMO


def troubles() -> list[str]:
    """What is wrong with the settings, in French; nothing without a key."""
    if not settings.API_PARTICULIER_TOKEN:
        return []
    found = []
    try:
        check_siret(settings.API_PARTICULIER_SIRET)
    except ValidationError as wrong:
        found.append(f"API_PARTICULIER_SIRET doit être le SIRET de la mairie. {wrong.message}")
    address = urlsplit(settings.API_PARTICULIER_URL)
    if address.hostname is None or (address.scheme != "https" and address.hostname not in LOCAL):
        found.append("API_PARTICULIER_URL doit être une adresse en https.")
    return found
