"""Two servers beside each other: regions, clusters, source ids."""

from tests.engine.conftest import NewRegion, config


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
    first = region(config())
    second = region(
        {**config(mqtt={"sourceId": "maestro-two"}), "maestro-stack:clusterName": "regional-two"},
        account=first.account,
        beside=first,
    )
    first.up()
    second.up()
    ours, theirs = first.engine.outputs(), second.engine.outputs()
    shared = {key for key in ours if ours[key] == theirs[key] and "name" in key or "topic" in key and ours[key] == theirs[key]}
    assert shared <= {"maestro_database_name", "maestro_release_name"}
    second.destroy()
    assert first.refresh().changes == {}


def test_a_second_server_with_the_same_source_id_is_refused_and_told_what_to_set(region: NewRegion) -> None:
    first = region(config())
    second = region(
        {**config(), "maestro-stack:clusterName": "regional-two"}, account=first.account, beside=first
    )
    first.up()
    refused = second.engine.up()
    assert not refused.succeeded
    said = "\n".join(refused.diagnostics)
    assert "ResourceAlreadyExistsException" in said
    assert "the two would steal each other's messages" in said
    assert "pulumi config set --path mqtt.sourceId maestro-2" in said
    assert first.refresh().changes == {}
