"""What billing answers to who asks for what cannot be done."""


class BillingRefused(Exception):
    """Nothing was written; the message says why in French."""
