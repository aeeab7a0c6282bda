"""Tariffs, invoices, payments."""
