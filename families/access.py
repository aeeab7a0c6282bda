"""A login for a guardian whom the town hall added to a household; who may see what with it is a matter of
`families.custody.openings`."""

from allauth.account.adapter import get_adapter

from families import login_names
from families.models import Guardian, User


def new_login(guardian: Guardian, email: str) -> User:
    """A login without a password, tied to nobody yet. Raises ValidationError for an address that is taken."""
    address = login_names.free_address(email)
    user = User(first_name=guardian.first_name, last_name=guardian.last_name, email=address)
    user.username = get_adapter().generate_unique_username([f"{guardian.first_name}.{guardian.last_name}"])
    user.set_unusable_password()
    user.save()
    return user
