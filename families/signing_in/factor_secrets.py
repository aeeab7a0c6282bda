"""The secrets of second factors: encrypted where allauth keeps them, rotated as columns are."""

from collections import Counter

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.db import transaction

from portal.database.encrypted import keys
from portal.database.field_keys import CannotRead, is_encrypted, key_name
from portal.database.rotating import Done, Others

# What of an authenticator's data opens an account: an application's secret, the seed of recovery codes.
NAMES = ("secret", "seed")


def encrypt(text: str) -> str:
    return keys().encrypt(text)


def decrypt(kept: str) -> str:
    """The secret. Where no key opens it, one of nobody's, drawn each time: no code fits."""
    try:
        return keys().decrypt(kept)
    except CannotRead:
        found: str = generate_totp_secret()
        return found


def count() -> Counter[str]:
    """How many are kept under which key, by its name; "" for those in clear."""
    return Counter(
        key_name(data[name]) if is_encrypted(data[name]) else ""
        for data in Authenticator.objects.values_list("data", flat=True).iterator()
        for name in NAMES
        if data.get(name)
    )


def encrypt_again() -> Done:
    """Brings each under the newest key, a row a transaction; what no key opens stays as it is."""
    done = unreadable = 0
    for pk in Authenticator.objects.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            one = Authenticator.objects.select_for_update().filter(pk=pk).first()
            if one is None:  # removed meanwhile
                continue
            waiting = [
                name
                for name in NAMES
                if one.data.get(name) and not one.data[name].startswith(keys().newest.mark)
            ]
            try:
                again = {name: encrypt(keys().decrypt(one.data[name])) for name in waiting}
            except CannotRead:
                unreadable += 1
                continue
            if again:
                one.data |= again
                one.save(update_fields=["data"])
                done += 1
    return Done(done, unreadable)


ROTATED = Others("secrets de double authentification", encrypt_again, count)
