"""A check catches each way in which the program or the chart could break unnoticed."""

import pytest

from tests.rehearsal.conftest import Break, Rehearse, sound

CHART = "charts/maestro-server-eso/templates"
SECRETS = f"{CHART}/secretproviderclass.yaml"
DEPLOYMENT = f"{CHART}/deployment.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "region", "check"),
    [
        pytest.param(
            SECRETS, "path: privateKey", "path: private_key", "us-east-1", "mount", id="a jmesPath key"
        ),
        pytest.param(
            "maestro_stack/credentials.py", "lambda port: str(int(port))", "int", "us-east-1", "mount",
            id="port as a number",
        ),
        pytest.param(
            "maestro_stack/mqtt.py",
            'f"topicfilter/{self.shared_agent_events}",',
            "",
            "us-east-1",
            "mqtt",
            id="the $share line of the policy",
        ),
        pytest.param(DEPLOYMENT, "-server-$(POD_NAME)", "-server-0", "us-east-1", "mqtt", id="one client id"),
        pytest.param(
            "maestro_stack/permissions.py", "list(secret_arns)", '["*"]', "us-east-1", "mount", id="role on *"
        ),
        pytest.param(
            "maestro_stack/identity.py", "(policy, association)", "(policy,)", "us-east-1", "order",
            id="release no longer waits for the association",
        ),
        pytest.param(
            "maestro_stack/database.py", "instance.address", "instance.endpoint", "us-east-1", "database",
            id="endpoint for address",
        ),
        pytest.param(
            f"{CHART}/_helpers.tpl", "sslmode=verify-full", "sslmode=require", "us-east-1", "database",
            id="verify-full weakened",
        ),
        pytest.param(
            DEPLOYMENT, "maxUnavailable: 0", "maxUnavailable: 1", "us-east-1", "order", id="maxUnavailable 1"
        ),
        pytest.param(
            SECRETS, '{{ include "maestro-server-eso.region" . | quote }}', "us-east-1", "us-west-2", "mount",
            id="SecretProviderClass fixed to us-east-1",
        ),
        pytest.param(
            "maestro_stack/regional.py",
            "maestro_region=known(cluster.region)",
            "maestro_region=broker.private_key",
            "us-east-1",
            "secrecy",
            id="private key exported",
        ),
        pytest.param(
            "maestro_stack/regional.py",
            "maestro_region=known(cluster.region)",
            "maestro_region=pulumi.Output.unsecret(broker.private_key)",
            "us-east-1",
            "secrecy",
            id="private key exported in the clear",
        ),
        pytest.param(
            "maestro_stack/regional.py",
            "maestro_region=known(cluster.region)",
            "maestro_region=pulumi.Output.unsecret(database.password).apply(lambda text: text[::-1])",
            "us-east-1",
            "secrecy",
            id="password exported in another form",
        ),
        pytest.param(
            "maestro_stack/regional.py",
            "self.register_outputs({})",
            "database.password.apply(lambda text: print(*text)); self.register_outputs({})",
            "us-east-1",
            "secrecy",
            id="password printed letter by letter",
        ),
        pytest.param(
            "maestro_stack/broker.py",
            "certificate_name(generation), active=True, opts=child",
            'certificate_name(""), active=True, opts=child',
            "us-east-1",
            "order",
            id="certificate that doesn't follow its generation",
        ),
        pytest.param(
            f"{CHART}/_helpers.tpl",
            'printf "files/rds-ca/%s.pem" (include "maestro-server-eso.region" .)',
            'printf "files/rds-ca/%s.pem" "eu-west-1"',
            "us-east-1",
            "database",
            id="CA bundle of another region",
        ),
        pytest.param(
            "maestro_stack/mqtt.py",
            'f"client/{self.server_client_id_prefix}*"',
            '"client/*"',
            "us-east-1",
            "mqtt",
            id="any client id",
        ),
        pytest.param(
            "maestro_stack/permissions.py",
            '"aws:RequestTag/kubernetes-namespace": namespace,',
            "",
            "us-east-1",
            "identity",
            id="any namespace",
        ),
        pytest.param(
            "maestro_stack/database.py",
            "referenced_security_group_id=client if client in groups else None,\n"
            '                cidr_ipv4=client if "." in client else None,',
            'cidr_ipv4="0.0.0.0/0",',
            "us-east-1",
            "database",
            id="database open to everybody",
        ),
    ],
)  # fmt: skip
def test_breakage_is_caught(
    rehearse: Rehearse, broken: Break, file: str, old: str, new: str, region: str, check: str
) -> None:
    outcome = rehearse(sound(region, rotation={"certificate": "2"}), root=broken(file, old, new))
    assert outcome.status == 1
    assert check in outcome.failed


def test_anything_else_that_waits_for_the_database_is_caught(rehearse: Rehearse, broken: Break) -> None:
    root = broken(
        "maestro_stack/regional.py",
        "certificate_pem=broker.certificate_pem,",
        "certificate_pem=pulumi.Output.all(broker.certificate_pem, database.address).apply(lambda a: a[0]),",
    )
    outcome = rehearse(root=root)
    assert outcome.status == 1
    assert outcome.failed == ["order"]


def test_a_look_up_without_a_handler_names_the_file_to_add_it_in(rehearse: Rehearse, broken: Break) -> None:
    root = broken(
        "maestro_stack/cluster.py", "aws.get_partition_output()", "aws.get_billing_service_account_output()"
    )
    outcome = rehearse(root=root)
    assert outcome.status == 1
    [failure] = outcome.report["failures"]
    assert "emulator/aws/account.py" in failure["message"]


def test_the_unbroken_copy_holds(rehearse: Rehearse, broken: Break) -> None:
    root = broken("maestro_stack/names.py", '"""Every physical name', '"""Each physical name')
    assert rehearse(root=root).status == 0


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("automountServiceAccountToken: false: true", "error converting YAML to JSON: yaml: line "),
        ("automountServiceAccountToken: [false", "error converting YAML to JSON: yaml: line "),
        ('automountServiceAccountToken: "\x07"', "control characters are not allowed"),
        ("---\njust words", "error unmarshaling JSON"),
    ],
)
def test_a_template_that_renders_no_object_is_named(
    rehearse: Rehearse, broken: Break, new: str, said: str
) -> None:
    root = broken(f"{CHART}/serviceaccount.yaml", "automountServiceAccountToken: false", new)
    outcome = rehearse(root=root)
    assert outcome.status == 1
    [failure] = outcome.report["failures"]
    assert "YAML parse error on maestro-server-eso/templates/serviceaccount.yaml: " in failure["message"]
    assert said in failure["message"]
    assert "Error in" not in failure["message"]
