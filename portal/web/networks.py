"""Where a request comes from, as far as counting goes."""

import ipaddress

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

# Whoever has one address of IPv6 has all those beside it.
IPV6_NETWORK = 64


def network_of(request: HttpRequest) -> str:
    """The address behind the trusted proxies (TRUSTED_PROXY_COUNT), or its network for IPv6."""
    address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
