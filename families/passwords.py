"""Passwords that are hard to guess (CNIL, délibération 2022-100: judged by strength, never by age)."""

import unicodedata
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError

STRONG_ENOUGH = 3  # of 4: more than 10^8 guesses
LONGEST_NORMALISED = 1000  # normalising takes time by the square
LONGEST_JUDGED = 72  # zxcvbn's own limit; what follows can only make a password stronger

# What a guesser of this portal's passwords tries first; zxcvbn's own lists are English.
COMMON_HERE = (
    "motdepasse azerty azertyuiop qsdfghjklm wxcvbn bonjour soleil doudou loulou chouchou nounours jetaime "
    "maman papa enfant enfants famille famille2026 ecole cantine mairie portail restauration periscolaire "
    "janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre printemps automne hiver"
).split()

ADVICE = {
    "Use a few words, avoid common phrases.": "Assemblez plusieurs mots sans rapport entre eux.",
    "No need for symbols, digits, or uppercase letters.": "Les mots comptent plus que les symboles.",
    "Add another word or two. Uncommon words are better.": "Ajoutez un ou deux mots peu courants.",
    "Straight rows of keys are easy to guess.": "Les touches qui se suivent sont faciles à deviner.",
    "Short keyboard patterns are easy to guess.": "Les dessins sur le clavier sont faciles à deviner.",
    "Use a longer keyboard pattern with more turns.": "",
    'Repeats like "aaa" are easy to guess.': "Les répétitions comme « aaa » sont faciles à deviner.",
    'Repeats like "abcabcabc" are only slightly harder to guess than "abc".': (
        "Répéter un mot ne le rend pas plus sûr."
    ),
    "Avoid repeated words and characters.": "",
    'Sequences like "abc" or "6543" are easy to guess.': "Les suites comme « abc » sont faciles à deviner.",
    "Avoid sequences.": "",
    "Recent years are easy to guess.": "Une année récente est facile à deviner.",
    "Avoid recent years.": "",
    "Avoid years that are associated with you.": "Évitez les années qui vous concernent.",
    "Dates are often easy to guess.": "Une date est facile à deviner.",
    "Avoid dates and years that are associated with you.": "Évitez les dates qui vous concernent.",
    "This is a top-10 common password.": "C'est l'un des mots de passe les plus utilisés au monde.",
    "This is a top-100 common password.": "C'est l'un des mots de passe les plus utilisés au monde.",
    "This is a very common password.": "C'est un mot de passe très courant.",
    "This is similar to a commonly used password.": "Il ressemble à un mot de passe courant.",
    "A word by itself is easy to guess.": "Un mot seul est facile à deviner.",
    "Names and surnames by themselves are easy to guess.": "Un prénom ou un nom est facile à deviner.",
    "Common names and surnames are easy to guess.": "Un prénom ou un nom est facile à deviner.",
    "Capitalization doesn't help very much.": "",
    "All-uppercase is almost as easy to guess as all-lowercase.": "Les majuscules n'aident pas beaucoup.",
    "Reversed words aren't much harder to guess.": "Un mot à l'envers n'est pas plus sûr.",
    "Predictable substitutions like '@' instead of 'a' don't help very much.": (
        "Remplacer « a » par « @ » n'aide pas beaucoup."
    ),
}


class ArgonHasher(Argon2PasswordHasher):
    """argon2id as OWASP's Password Storage Cheat Sheet asks for at least: 19 MiB, two passes, one lane.

    Django's own takes five times the memory on eight lanes, and a third of a second of processor: on the day
    registrations open all would wait for it. A hash made otherwise is made anew when its password is right.
    """

    memory_cost = 19 * 1024  # KiB
    time_cost = 2
    parallelism = 1


def kept_form(password: str) -> str:
    """The form that is hashed: a phone makes « é » of one sign, a Mac of two (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password) if len(password) <= LONGEST_NORMALISED else password


class StrengthValidator:
    """Refuses passwords that a guesser finds soon, and says how to find a better one."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises ValidationError, with advice in French, below STRONG_ENOUGH of zxcvbn's scale."""
        from zxcvbn import zxcvbn  # its lists of words take 12 MB: only where a password is chosen

        own = [getattr(user, name, "") for name in ("username", "first_name", "last_name", "email")]
        own += [part for value in own for part in value.replace("@", ".").split(".")]
        judged = zxcvbn(password[:LONGEST_JUDGED], COMMON_HERE + [value for value in own if value])
        if judged["score"] >= STRONG_ENOUGH:
            return
        found = [judged["feedback"]["warning"], *judged["feedback"]["suggestions"]]
        advice = [ADVICE[sentence] for sentence in found if ADVICE.get(sentence)]
        raise ValidationError(
            " ".join(["Ce mot de passe est trop facile à deviner.", *advice]), code="password_too_weak"
        )

    def get_help_text(self) -> str:
        return (
            "Trois ou quatre mots sans rapport entre eux font un bon mot de passe, "
            "par exemple « girafe pluie vélo 7 » (n'utilisez pas celui-ci)."
        )
