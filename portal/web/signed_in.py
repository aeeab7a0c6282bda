"""Requests of pages behind the login."""

from typing import TYPE_CHECKING, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

if TYPE_CHECKING:
    # What AUTH_USER_MODEL names, for the type checker only: the ground imports no people.
    from django.contrib.auth.models import _User


class SignedInRequest(HttpRequest):
    """What a page behind the login is asked with, that is every page without `@login_not_required`.

    For the type checker: the middleware lets nobody else through, so that `user` is one of ours.
    """

    user: "_User"


def user_of(request: HttpRequest) -> "_User":
    """Who asks, where a method of Django's is given any request. Raises PermissionDenied for nobody."""
    if not request.user.is_authenticated:
        raise PermissionDenied
    return request.user


def signed_in(request: HttpRequest) -> SignedInRequest:
    """The same request, as one of somebody logged in. Raises PermissionDenied for nobody."""
    user_of(request)
    return cast(SignedInRequest, request)
