"""The table behind `python -m doctor permissions`: the emulated providers make no call that it lacks."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from unittest.mock import patch

import pytest

import tools
from common.json_values import Json, records
from doctor.calls import Scope
from doctor.permissions import UNVERIFIED, Purpose, actions_of
from emulator.aws.cloud import DEFAULT_ACCOUNT, Cloud
from emulator.world import Database, World
from tests.authorization import Caller
from tests.checkouts import ROOT
from tests.engine.conftest import NewRegion, Region, config


def _called(region: Region) -> set[str]:
    """What the providers have called since the last time."""
    calls = {
        f"{call['service']}:{call['operation']}"
        for call in region.emulation.calls()
        if call["account"] == region.account
    }
    region.emulation.clear_calls()
    return calls


SCOPE = Scope(**dict.fromkeys(Scope.__dataclass_fields__, "x"))


def _granted(purpose: Purpose) -> set[str]:
    return set[str]().union(*actions_of(purpose, SCOPE).values())


REPLICATION = {"region": "us-west-2", "kmsKeyArn": "arn:aws:kms:us-west-2:123456789012:key/1234abcd"}


def with_backups(world: World) -> World:
    return world.model_copy(update={"databases": [Database(name="kept", snapshot="kept-one")]})


def test_a_life_needs_what_the_table_grants_and_the_rest_of_it_is_marked(region: NewRegion) -> None:
    deployed: set[str] = set()
    for profile in ("dev", "production"):
        made = region(config(profile=profile), world=with_backups)
        _called(made)
        made.up()
        deployed |= _called(made)
        made.refresh()
        made.preview()
        read = _called(made)
        assert read <= _granted("preview")
        changed = config(
            profile=profile,
            rotation={"certificate": "2", "database": "2"},
            tags={"team": "other"},
            database={"backupRetentionDays": 20, "backupReplication": REPLICATION},
        )
        made.configure(changed)
        made.up()
        made.configure(config(profile=profile))
        made.up()
        deployed |= _called(made) | read
        if profile == "dev":
            made.destroy()
            for source in ({"snapshot": "kept-one"}, {"instance": "kept", "latest": True}):
                made.configure(config(database={"restoreFrom": source}))
                made.up()
                made.destroy()
            deployed |= _called(made)
    assert deployed <= _granted("deploy")
    assert sorted(_granted("deploy") - deployed) == sorted(UNVERIFIED)


# --- under what is printed -----------------------------------------------------------------------

ELSEWHERE = {"restoreFrom": {"instance": "kept", "latest": True}, "backupReplication": REPLICATION}


def _printed(region: Region, purpose: Purpose) -> Caller:
    """Somebody with what the doctor prints for the stack, and nothing else."""
    pulumi = tools.find("pulumi")
    assert pulumi is not None
    command = [sys.executable, "-m", "doctor", "permissions", "--for", purpose]
    shell = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    answer = subprocess.run(
        [*command, "--config", str(region.engine.stack.file)],
        cwd=ROOT,
        env={**shell, **region.engine.variables, "PATH": f"{pulumi.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return Caller.under(records(json.loads(answer), "policies"), DEFAULT_ACCOUNT, region.region)


@contextmanager
def _acting_as(caller: Caller) -> Generator[None]:
    """Refuse the providers what AWS would refuse the caller."""
    call = Cloud.call

    def authorized(
        self: Cloud, service: str, operation: str, parameters: Mapping[str, Json]
    ) -> dict[str, Json]:
        if lacks := caller.lacks(f"{service}:{operation}", parameters, self.region):
            raise self.refuse(service, operation, "AccessDenied", f"not authorized to perform: {lacks}")
        return call(self, service, operation, parameters)

    with patch.object(Cloud, "call", authorized):
        yield


@pytest.mark.parametrize("database", [{}, ELSEWHERE], ids=["new", "restored and replicated"])
def test_a_life_passes_under_the_printed_policies_and_a_preview_s_cant_change_anything(
    region: NewRegion, database: Mapping[str, object]
) -> None:
    made = region(config(database=database), world=with_backups, account=DEFAULT_ACCOUNT)
    previewer, deployer = _printed(made, "preview"), _printed(made, "deploy")
    with _acting_as(previewer):
        made.preview()
    with _acting_as(deployer):
        made.up()
    made.configure(config(database={**database, "backupRetentionDays": 9}, rotation={"certificate": "2"}))
    with _acting_as(previewer):
        made.refresh()
        assert made.preview().changes
        refused = made.engine.up()
    assert not refused.succeeded
    assert "not authorized to perform: iot:CreateKeysAndCertificate on *" in refused.text
    with _acting_as(deployer):
        made.up()
        assert made.preview().changes == {}
        made.destroy()
