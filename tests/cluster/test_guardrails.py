"""Guardrails on the real engine and the real API server: all at once, and a namespace that changes hands."""

from pathlib import Path

from common.json_values import record
from controlplane import ControlPlane
from emulator.client import Emulation
from review.effects import BASES, Base
from tests.cluster.objects import OURS, make_namespace
from tests.cluster.stacks import REPLICAS, on_cluster
from tests.engine.conftest import config

NAMESPACE = f"/api/v1/namespaces/{OURS}"


def test_a_stack_with_every_guardrail_gets_ready_and_leaves_nothing(
    emulation: Emulation, control_plane: ControlPlane, tmp_path: Path
) -> None:
    with on_cluster(emulation, control_plane, tmp_path / "region", config(**BASES[Base.GUARDED])) as stack:
        region = stack.region
        region.up()
        assert len(stack.ready()) == REPLICAS
        metadata = record(stack.api.call("GET", NAMESPACE), "metadata")
        assert record(metadata, "labels")["team"] == "platform"
        assert record(metadata, "annotations")["example.com/owner"] == "platform"
        assert region.refresh().changes == {}
        assert region.preview().changes == {}
        region.destroy()
        assert stack.leftovers() == []
        assert region.leftovers() == []


def test_a_missing_namespace_is_reported_and_one_that_changes_hands_stays(
    emulation: Emulation, control_plane: ControlPlane, tmp_path: Path
) -> None:
    external = config(server={"namespaceMode": "external"})
    with on_cluster(emulation, control_plane, tmp_path / "region", external) as stack:
        region = stack.region
        missing = region.engine.preview()
        assert not missing.succeeded
        assert f"resource '{OURS}' does not exist" in missing.text
        make_namespace(stack.api, OURS)
        region.up()
        assert len(stack.ready()) == REPLICAS
        pods = set(stack.pods())
        for mode in ("create", "external"):
            region.configure(config(server={"namespaceMode": mode}))
            region.up()
            assert region.preview().changes == {}
        assert set(stack.pods()) == pods
        region.destroy()
        assert stack.api.exists(NAMESPACE)
