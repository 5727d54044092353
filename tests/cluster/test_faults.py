"""What goes wrong at the API server during an `up`, and the way back: a sample of `make test-faults`."""

import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

from common.json_values import record, text
from controlplane import ControlPlane
from tests.cluster.stacks import revisions
from tests.engine.conftest import config, succeeded
from tests.faults.api_server import ApiServer, OnApiServer
from tests.faults.disturbed import Call

STORED = Call("kubernetes", "create /api/v1/namespaces/{namespace}/secrets", 1)
"""Helm has recorded that it begins, and has done nothing yet."""
OTHER_IMAGE = config(server={"image": {"tag": "0123456789abcdef0123456789abcdef01234567"}})


def test_a_lost_api_server_and_kills_while_helm_works_are_survived_as_the_document_says(
    tmp_path: Path,
) -> None:
    with ApiServer.start(tmp_path / "control-plane") as server, server.stack(tmp_path) as stack:
        gone = Call("kubernetes", "patch /api/v1/namespaces/{namespace}/configmaps/{name}", 1)
        refused = stack.up({**gone._asdict(), "effect": "gone", "times": 1000})
        assert not refused.succeeded
        assert "kubernetes:core/v1:ConfigMap (bootstrap-output-regional-xyz)" in refused.text

        stack.killed_up(STORED, "after")
        assert stack.recover() == []  # the release is removed, so there is none to import
        succeeded(stack.region.engine.up())
        assert stack.status() == "deployed"

        stack.region.configure(OTHER_IMAGE)
        stack.killed_up(STORED, "after")
        assert stack.status() == "pending-upgrade"
        stack.recover()
        succeeded(stack.region.engine.up())
        assert stack.status() == "deployed"
        assert stack.region.preview().changes == {}


def test_a_provider_whose_engine_was_killed_finishes_what_it_began_and_the_document_waits_for_it(
    tmp_path: Path,
) -> None:
    with ApiServer.start(tmp_path / "control-plane") as server, server.stack(tmp_path) as stack:
        succeeded(stack.region.engine.up())
        stack.region.configure(OTHER_IMAGE)
        killer = threading.Thread(target=kill_engine_alone, args=(stack, server.plane))
        killer.start()
        assert not stack.region.engine.up().succeeded
        killer.join()
        assert stack.providers()
        assert stack.status() == "pending-upgrade"
        stack.recover()
        assert stack.status() == "deployed"
        succeeded(stack.region.engine.up())
        assert stack.region.preview().changes == {}


def kill_engine_alone(stack: OnApiServer, plane: ControlPlane) -> None:
    """When Helm has begun an upgrade. Unlike a machine's death, it leaves the provider alive."""
    with closing(plane.api()) as api:
        while text(record(revisions(api)[-1], "info"), "status") != "pending-upgrade":
            time.sleep(0.02)
    os.kill(stack.engine_pid(), signal.SIGKILL)
