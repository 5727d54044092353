"""Who may reach what under a NetworkPolicy, so that two policies can be compared by what they admit.

Source: Kubernetes, "Network Policies", and the API reference of NetworkPolicySpec.
"""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from common.json_values import Json, record, records, texts

EVERYBODY = "everybody"
_PORTS = (0, 65_535)


@dataclass(frozen=True, kw_only=True, order=True)
class Admitted:
    """One peer, in one direction, on some ports."""

    direction: str
    peer: str
    """As JSON, or `EVERYBODY`."""
    protocol: str
    """Empty for all protocols."""
    first: int
    last: int

    def within(self, other: "Admitted") -> bool:
        """Whether the other one admits all of it."""
        return (
            self.direction == other.direction
            and other.protocol in ("", self.protocol)
            and other.first <= self.first
            and self.last <= other.last
            and _is_within(self.peer, other.peer)
        )

    def __str__(self) -> str:
        to = "from" if self.direction == "ingress" else "to"
        several = f"{self.first}-{self.last}" if self.first != self.last else f"{self.first}"
        on = "every port" if (self.first, self.last) == _PORTS else f"{self.protocol} {several}"
        return f"{to} {self.peer} on {on}"


def admitted(policy: Mapping[str, Json], ports: Mapping[str, Json]) -> frozenset[Admitted] | None:
    """What a policy lets its pods receive and send; None if it names an unknown port.

    `ports` are the named ones.
    """
    spec = record(policy, "spec")
    types = texts(spec, "policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    try:
        return frozenset(
            each
            for direction in ("ingress", "egress")
            for each in (
                _rules(direction, records(spec, direction), ports)
                if direction.capitalize() in types
                else [_everything(direction)]
            )
        )
    except ValueError:
        return None


def _everything(direction: str) -> Admitted:
    first, last = _PORTS
    return Admitted(direction=direction, peer=EVERYBODY, protocol="", first=first, last=last)


def _rules(direction: str, rules: list[dict[str, Json]], names: Mapping[str, Json]) -> Iterator[Admitted]:
    side = "from" if direction == "ingress" else "to"
    for rule in rules:
        peers = [json.dumps(peer, sort_keys=True) for peer in records(rule, side)] or [EVERYBODY]
        for peer in peers:
            for port in records(rule, "ports") or [None]:
                protocol, first, last = ("", *_PORTS) if port is None else _range(port, names)
                yield Admitted(direction=direction, peer=peer, protocol=protocol, first=first, last=last)


def _range(port: Mapping[str, Json], names: Mapping[str, Json]) -> tuple[str, int, int]:
    protocol = str(port.get("protocol") or "TCP")
    given = port.get("port")
    if given is None:
        return protocol, *_PORTS
    number = names.get(given, given) if isinstance(given, str) else given
    if not isinstance(number, int):
        raise ValueError(given)  # noqa: TRY004 a name that no port has
    last = port.get("endPort")
    return protocol, number, last if isinstance(last, int) else number


def _is_within(peer: str, other: str) -> bool:
    if other in (EVERYBODY, peer):
        return True
    if peer == EVERYBODY:
        return False
    blocks = [record(json.loads(each), "ipBlock") for each in (peer, other)]
    if not all(blocks) or texts(blocks[1], "except"):
        return False
    try:
        inner, outer = (ipaddress.ip_network(str(block.get("cidr"))) for block in blocks)
    except ValueError:
        return False
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    return (
        isinstance(inner, ipaddress.IPv6Network)
        and isinstance(outer, ipaddress.IPv6Network)
        and inner.subnet_of(outer)
    )
