"""Which kubeconfigs the real Kubernetes provider may use, however it gets one."""

import json
import sys
from pathlib import Path

import pytest

import tools
from engine.driver import EngineError
from engine.kubernetes_provider import PROVIDER, problem_of, write_provider
from rehearsal.environment import with_real_kubernetes

HERE = "https://127.0.0.1:6443"
ELSEWHERE = "https://0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com"


def kubeconfig(*servers: str, **more: str) -> str:
    clusters = [{"name": f"c{n}", "cluster": {"server": url, **more}} for n, url in enumerate(servers)]
    return json.dumps({"clusters": clusters, "current-context": "c0"})


@pytest.mark.parametrize("server", [HERE, "https://localhost:6443", "https://[::1]:6443"])
def test_an_api_server_on_this_machine_is_reached(server: str) -> None:
    assert problem_of(kubeconfig(server), {}) is None


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (kubeconfig(ELSEWHERE), ELSEWHERE),
        (kubeconfig(HERE, ELSEWHERE), ELSEWHERE),  # another context may be chosen
        (kubeconfig(HERE, **{"proxy-url": "http://proxy.example:3128"}), "http://proxy.example:3128"),
        (kubeconfig("https://10.0.0.1:6443"), "https://10.0.0.1:6443"),
        (kubeconfig("nonsense"), "nonsense"),
    ],
)
def test_one_elsewhere_is_named_with_the_way_out(given: str, address: str) -> None:
    problem = problem_of(given, {})
    assert problem is not None
    assert f"at {address}, which isn't on this machine" in problem
    assert "rehearse without --cluster" in problem


def test_the_shells_kubeconfigs_count_where_none_is_given(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.write_text(kubeconfig(HERE))
    elsewhere.write_text(kubeconfig(ELSEWHERE))
    assert problem_of("", {"KUBECONFIG": str(here)}) is None
    assert ELSEWHERE in (problem_of("", {"KUBECONFIG": f"{here}:{elsewhere}"}) or "")
    assert str(elsewhere) in (problem_of(str(elsewhere), {"KUBECONFIG": str(here)}) or "")
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text(kubeconfig(ELSEWHERE))
    assert ELSEWHERE in (problem_of("", {"HOME": str(tmp_path)}) or "")


def test_what_is_not_a_kubeconfig_is_left_to_the_provider(tmp_path: Path) -> None:
    assert problem_of("{", {}) is None
    assert problem_of("- a list", {}) is None
    assert problem_of("", {"HOME": str(tmp_path)}) is None


def test_the_plugin_starts_the_given_binary_through_the_guard(tmp_path: Path) -> None:
    folder = write_provider(Path("/the/binary"), tmp_path / "kubernetes", tmp_path)
    script = (folder / PROVIDER).read_text()
    assert f"cd {tmp_path} ||" in script
    assert f"exec {sys.executable} -m engine.kubernetes_provider /the/binary" in script


def test_a_missing_provider_or_one_of_another_version_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> None:
        del name

    monkeypatch.setattr(tools, "find", find)
    with pytest.raises(EngineError, match=r"wasn't found in the version .*make tools"):
        with_real_kubernetes()
