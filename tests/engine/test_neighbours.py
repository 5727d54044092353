"""Two servers beside each other: regions, clusters, source ids."""

from emulator.world import World
from engine.remedies import remedies_of
from tests.engine.conftest import NewRegion, config


def _with_two_clusters(world: World) -> World:
    (own,) = world.clusters
    return world.model_copy(update={"clusters": [own, own.model_copy(update={"name": "regional-two"})]})


def test_two_regions_of_one_account_do_not_meet(region: NewRegion) -> None:
    first = region(config("us-east-1"))
    second = region(config("eu-central-1"), account=first.account)
    first.up()
    second.up()
    assert first.preview().changes == {}
    first.destroy()
    assert second.refresh().changes == {}


def test_two_clusters_of_one_account_and_region_do_not_meet_with_source_ids_of_their_own(
    region: NewRegion,
) -> None:
    first = region(config(), world=_with_two_clusters)
    second = region(
        {**config(mqtt={"sourceId": "maestro-two"}), "maestro-stack:clusterName": "regional-two"},
        account=first.account,
        build=False,
    )
    first.up()
    second.up()
    ours, theirs = first.engine.outputs(), second.engine.outputs()
    names = {key for key in ours if key.endswith(("_name", "_topic", "_id", "_arn", "_address"))}
    shared = {key for key in names if ours[key] == theirs[key]}
    # Inside the database, and inside each cluster, there is only one.
    inside = {"maestro_database_name", "maestro_release_name", "maestro_http_address", "maestro_grpc_address"}
    assert shared == inside
    second.destroy()
    assert first.refresh().changes == {}


def test_a_second_server_with_the_same_source_id_is_refused_with_what_to_set(region: NewRegion) -> None:
    first = region(config(), world=_with_two_clusters)
    second = region(
        {**config(), "maestro-stack:clusterName": "regional-two"}, account=first.account, build=False
    )
    first.up()
    refused = second.engine.up()
    assert not refused.succeeded
    assert "ResourceAlreadyExistsException" in refused.text
    [remedy] = remedies_of(refused.diagnostics)
    assert "the two would steal each other's messages" in remedy.because
    assert "pulumi config set --path mqtt.sourceId maestro-2" in remedy.do
    assert first.refresh().changes == {}
