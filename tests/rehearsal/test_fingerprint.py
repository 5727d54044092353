"""How a secret is composed can be compared between two runs, and reveals nothing that is secret."""

import json

from tests.rehearsal.conftest import Rehearse


def _secrets(rehearse: Rehearse) -> dict[str, str]:
    """The digests by resource and input."""
    return {
        f"{each['type']} {each['name']} {path}": digest
        for each in rehearse().report["resources"]
        for path, digest in each["secrets"].items()
    }


def test_two_runs_compose_their_secrets_alike(rehearse: Rehearse) -> None:
    first = _secrets(rehearse)
    assert sorted(key.rpartition(":")[2] for key in first) == [
        "Instance instance password",
        "SecretVersion db-credentials-regional-xyz secretString",
        "SecretVersion server-mqtt-cert-regional-xyz secretString",
    ]
    assert _secrets(rehearse) == first
    # Each has a form of its own, so none was left out as a whole.
    assert len({*first.values()}) == 3


def test_the_report_holds_nothing_else_of_them(rehearse: Rehearse) -> None:
    report = json.dumps(rehearse().report)
    assert '"secretString": "[secret]"' in report
    assert "PRIVATE KEY" not in report
