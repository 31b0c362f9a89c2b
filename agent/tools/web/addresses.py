"""Which internet addresses are public: not this machine, a private network, or the inside of a cloud."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 addresses behind a translator (RFC 6052)."""
_UNICAST = IPv6Network("2000::/3")
"""All that is given out of IPv6 (RFC 4291)."""
_TUNNELS = tuple(map(IPv6Network, ("2002::/16", "2001::/32")))
"""6to4 and Teredo: their addresses lead to IPv4 addresses, and they are hardly in use any more."""


def is_public(address: str) -> bool:
    """Return whether `address`, as the resolver gives it, is one that everybody can reach.

    What an IPv6 address stands for counts: `::ffff:127.0.0.1` and `64:ff9b::7f00:1` are this machine.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None or any(parsed in network for network in _TUNNELS):
            return False
        inner = parsed.ipv4_mapped
        if parsed in _TRANSLATED:
            inner = IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return _is_global(inner)
        if parsed not in _UNICAST:
            return False
    return _is_global(parsed)


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    odd = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local
    return address.is_global and not odd and not address.is_private
