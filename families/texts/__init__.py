"""Texts to accept: where a family stands with them, and the only writer of answers."""
