"""What the Secrets Store CSI driver's AWS provider would mount, and what it would refuse."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable

import pytest
import yaml

from checks.csi_provider import (
    InvalidClassError,
    MountedFile,
    MountError,
    access_denied,
    mount,
    parse_class,
    secret_not_found,
)

CERT = "regional-xyz/maestro/server-mqtt-cert"
DB = "regional-xyz/maestro/db-credentials"

SECRETS: dict[str, dict[str, object]] = {
    CERT: {"certificate": "CERT\n", "privateKey": "KEY\n", "caCert": "ROOTS\n"},
    DB: {
        "username": "maestro",
        "password": "pässword",
        "host": "db.example",
        "port": "5432",
        "database": "maestro",
    },
}


def entry(path: str, alias: str, **more: object) -> dict[str, object]:
    return {"path": path, "objectAlias": alias, **more}


def secret_object(name: str, *entries: dict[str, object], **more: object) -> dict[str, object]:
    jmes = {"jmesPath": list(entries)} if entries else {}
    return {"objectName": name, "objectType": "secretsmanager", **jmes, **more}


OBJECTS = [
    secret_object(
        CERT,
        entry("certificate", "certificate"),
        entry("privateKey", "privateKey"),
        entry("caCert", "ca.crt"),
    ),
    secret_object(
        DB,
        entry("username", "db.user"),
        entry("password", "db.password"),
        entry("host", "db.host"),
        entry("port", "db.port"),
        entry("database", "db.name"),
    ),
]


def manifest(objects: object = OBJECTS, **parameters: object) -> dict[str, object]:
    """A rendered SecretProviderClass; a parameter that is None is left out."""
    text = objects if isinstance(objects, str) else yaml.safe_dump(objects)
    given = {"region": "us-east-1", "usePodIdentity": "true", "objects": text, **parameters}
    return {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "maestro", "namespace": "maestro"},
        "spec": {
            "provider": "aws",
            "parameters": {key: value for key, value in given.items() if value is not None},
        },
    }


def fetch_from(secrets: dict[str, dict[str, object]]) -> Callable[[str], str]:
    def fetch(name: str) -> str:
        if name not in secrets:
            raise secret_not_found(name, "us-east-1")
        return json.dumps(secrets[name], ensure_ascii=False)

    return fetch


def mounted(
    objects: object = OBJECTS, secrets: dict[str, dict[str, object]] = SECRETS
) -> dict[str, MountedFile]:
    return {file.name: file for file in mount(parse_class(manifest(objects)), fetch_from(secrets))}


def db_with(**changes: object) -> dict[str, dict[str, object]]:
    return {**SECRETS, DB: {**SECRETS[DB], **changes}}


# --- mounting ---------------------------------------------------------------------------------------


def test_the_eight_files_are_those_not_marked_as_whole_secrets() -> None:
    files = mounted()
    assert [name for name, file in files.items() if not file.whole_secret] == [
        "certificate",
        "privateKey",
        "ca.crt",
        "db.user",
        "db.password",
        "db.host",
        "db.port",
        "db.name",
    ]
    assert files["db.port"].content == "5432"
    assert files["privateKey"].secret == CERT


def test_each_secret_is_also_mounted_whole_under_its_translated_name() -> None:
    whole = {name: file for name, file in mounted().items() if file.whole_secret}
    assert list(whole) == ["regional-xyz_maestro_server-mqtt-cert", "regional-xyz_maestro_db-credentials"]
    assert json.loads(whole["regional-xyz_maestro_db-credentials"].content) == SECRETS[DB]


def test_without_jmes_path_only_the_whole_secret_is_mounted() -> None:
    assert list(mounted([secret_object(CERT)])) == ["regional-xyz_maestro_server-mqtt-cert"]


def test_an_object_alias_names_the_whole_secret() -> None:
    assert list(mounted([secret_object(CERT, objectAlias="server/cert.json")])) == ["server_cert.json"]


@pytest.mark.parametrize(
    ("translation", "name"),
    [
        ("-", "regional-xyz-maestro-server-mqtt-cert"),
        ("False", CERT),
        ("", "regional-xyz_maestro_server-mqtt-cert"),
    ],
)
def test_path_translation_decides_what_a_slash_becomes(translation: str, name: str) -> None:
    spc = parse_class(manifest([secret_object(CERT)], pathTranslation=translation))
    assert [file.name for file in mount(spc, fetch_from(SECRETS))] == [name]


def test_sizes_are_in_bytes_and_modes_default_to_world_readable() -> None:
    password = mounted()["db.password"]
    assert (password.size, password.mode) == (9, 0o644)


def test_file_permissions_belong_to_their_own_entry() -> None:
    files = mounted([secret_object(DB, entry("host", "h", filePermission="0400"), entry("port", "p"))])
    assert [files["h"].mode, files["p"].mode] == [0o400, 0o644]


def test_content_stays_out_of_the_repr() -> None:
    assert "pässword" not in repr(mounted())


def test_a_path_may_reach_into_nested_objects() -> None:
    secrets = db_with(server={"host": "inner"})
    assert mounted([secret_object(DB, entry("server.host", "host"))], secrets)["host"].content == "inner"


def test_a_hyphenated_key_needs_quotes_inside_the_path() -> None:
    secrets = db_with(**{"db-host": "x"})
    assert mounted([secret_object(DB, entry('"db-host"', "host"))], secrets)["host"].content == "x"
    with pytest.raises(MountError, match=r"Invalid JMES Path: db-host\."):
        mounted([secret_object(DB, entry("db-host", "host"))], secrets)


@pytest.mark.parametrize("port", [5432, 54.32, True, ["5432"], {"port": "5432"}])
def test_only_strings_can_be_mounted(port: object) -> None:
    with pytest.raises(MountError, match=r"result type for path:port\. Only string is allowed\."):
        mounted(secrets=db_with(port=port))


@pytest.mark.parametrize("secrets", [{**SECRETS, DB: {}}, db_with(username=None)])
def test_a_missing_key_fails_the_whole_mount(secrets: dict[str, dict[str, object]]) -> None:
    with pytest.raises(
        MountError, match=r"JMES Path - username for object alias - db\.user does not point to"
    ):
        mounted(secrets=secrets)


def test_a_missing_secret_shows_in_the_event() -> None:
    with pytest.raises(MountError, match="ResourceNotFoundException") as failed:
        mounted(secrets={CERT: SECRETS[CERT]})
    assert failed.value.event == str(failed.value)


def test_a_denied_secret_shows_in_the_log_but_not_in_the_event() -> None:
    def fetch(name: str) -> str:
        raise access_denied(name, "us-east-1", "implicitly denied")

    with pytest.raises(MountError, match="AccessDeniedException: implicitly denied") as failed:
        mount(parse_class(manifest()), fetch)
    assert failed.value.event == f"Failed to fetch secret from all regions: {CERT}"


@pytest.mark.parametrize("text", ['not JSON: "hunter2"', '{"username": NaN, "x": "hunter2"}', ""])
def test_a_secret_that_is_not_json_fails_without_showing_it(text: str) -> None:
    with pytest.raises(MountError, match="Invalid JSON used with jmesPath in secret") as failed:
        mount(parse_class(manifest([secret_object(DB, entry("username", "db.user"))])), lambda _: text)
    assert failed.value.__context__ is None
    assert "hunter2" not in "".join(traceback.format_exception(failed.value))


def test_an_error_inside_an_expression_does_not_show_the_secret() -> None:
    with pytest.raises(MountError, match=r"Invalid JMES Path: abs\(password\)\.") as failed:
        mounted([secret_object(DB, entry("abs(password)", "x"))])
    assert failed.value.__context__ is None
    assert "pässword" not in "".join(traceback.format_exception(failed.value))


def test_a_secret_without_jmes_path_need_not_be_json() -> None:
    files = mount(parse_class(manifest([secret_object(CERT)])), lambda _: "plain")
    assert [file.content for file in files] == ["plain"]


# --- the class --------------------------------------------------------------------------------------


def test_a_class_says_who_it_is_and_how_it_reaches_the_agent() -> None:
    spc = parse_class(manifest(preferredAddressType="ipv6"))
    assert (spc.name, spc.namespace, spc.region, spc.preferred_address_type) == (
        "maestro",
        "maestro",
        "us-east-1",
        "ipv6",
    )
    assert [wanted.name for wanted in spc.objects] == [CERT, DB]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"usePodIdentity": True},
            "spec.parameters.usePodIdentity: Invalid value: must be of type string, not true",
        ),
        ({"usePodIdentity": "false"}, 'usePodIdentity must be "true"'),
        ({"usePodIdentity": None}, 'usePodIdentity must be "true"'),
        ({"usePodidentity": "true"}, "spec.parameters.usePodidentity is unknown (known: objects,"),
        ({"failoverRegion": "us-west-2"}, "spec.parameters.failoverRegion is not rehearsed"),
        ({"region": None}, "spec.parameters.region is missing"),
        ({"region": ""}, "spec.parameters.region is missing"),
        ({"preferredAddressType": "IPv6"}, "preferredAddressType must be one of ipv4, ipv6, auto"),
        ({"pathTranslation": "__"}, "pathTranslation must be either 'False' or a single character"),
        ({"objects": "- ["}, "Failed to load SecretProviderClass"),
        ({"objects": "objectName: x"}, "must be a YAML list"),
        ({"objects": None}, "must be a YAML list"),
    ],
)
def test_parameters_are_checked(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidClassError) as refused:
        parse_class(manifest(**parameters))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([{"objectType": "secretsmanager"}], "Object name must be specified: spec.parameters.objects[0]"),
        ([{"objectName": DB}], "Must use objectType when a full ARN is not specified"),
        ([secret_object(DB, objectType="ssmparameter")], 'objectType must be "secretsmanager"'),
        ([secret_object(DB, jmespath=[])], "spec.parameters.objects[0].jmespath is unknown"),
        ([secret_object(DB, failoverObject={})], "failoverObject is not rehearsed"),
        ([secret_object(DB, jmesPath="host")], "jmesPath must be a list"),
        ([secret_object(DB, {"objectAlias": "x"})], "Path must be specified for JMES object"),
        ([secret_object(DB, {"path": "host"})], "Object alias must be specified for JMES object"),
        ([secret_object(DB, entry("host", "x", objectName="y"))], "jmesPath[0].objectName is unknown"),
        (
            [secret_object(DB, {"path": "host", "objectAlias": 5})],
            "objectAlias must be a non-empty string, not 5",
        ),
        ([secret_object(DB, filePermission=420)], "filePermission must be a non-empty string, not 420"),
        ([secret_object(DB, filePermission="644")], "filePermission must be four octal digits"),
        (
            [secret_object(DB, entry("host", "x"), entry("port", "x"))],
            "Name already in use for objectAlias: x",
        ),
        ([secret_object(CERT, entry("a", "x")), secret_object(DB, entry("b", "x"))], "Name already in use"),
        ([secret_object(DB), secret_object(DB)], "Name already in use"),
        (
            [secret_object("a/b"), secret_object("c", entry("d", "a_b"))],
            "Name already in use for objectAlias: a_b",
        ),
        ([secret_object(DB, objectAlias="..")], "path can not contain ../"),
        (
            [secret_object("arn:aws:secretsmanager:us-west-2:1:secret:x")],
            "ARN region must match region us-east-1",
        ),
        ([secret_object("arn:aws:ssm:us-east-1:1:parameter/x")], "objectType does not match ARN"),
        ([secret_object("arn:aws:secretsmanager")], "Invalid ARN format"),
        (["x"], "spec.parameters.objects[0] must be a mapping"),
    ],
)
def test_objects_are_checked(objects: object, message: str) -> None:
    with pytest.raises(InvalidClassError) as refused:
        parse_class(manifest(objects))
    assert message in str(refused.value)


def test_an_arn_needs_no_object_type() -> None:
    arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:x-AbCdEf"
    assert parse_class(manifest([{"objectName": arn}])).objects[0].name == arn


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Secret"}, "not a SecretProviderClass"),
        ({"apiVersion": "secrets-store.csi.x-k8s.io/v1alpha1"}, "not a SecretProviderClass"),
        ({"spec": {"provider": "vault", "parameters": {}}}, 'spec.provider must be "aws", not "vault"'),
        ({"spec": {"provider": "aws", "parameters": []}}, "spec.parameters must be a mapping"),
        (
            {"spec": {"provider": "aws", "parameters": {}, "secretObjects": []}},
            "secretObjects is not rehearsed",
        ),
        ({"metadata": {}}, "metadata.name must be a non-empty string"),
    ],
)
def test_the_object_itself_is_checked(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidClassError) as refused:
        parse_class({**manifest(), **change})
    assert message in str(refused.value)
