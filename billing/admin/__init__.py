"""The town hall's desk for money."""

from billing.admin import absences, documents, money, online, tariffs

__all__ = ["absences", "documents", "money", "online", "tariffs"]
