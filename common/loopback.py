"""What counts as this machine."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
