"""The table behind `python -m doctor permissions`: the emulated providers make no call that it lacks."""

from doctor.calls import Scope
from doctor.permissions import UNVERIFIED, Purpose, actions_of
from emulator.world import Database, World
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
