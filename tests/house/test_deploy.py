"""Do the files with which others run it fit the code: names of settings, ports, paths, and the time to end in?"""

import importlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import yaml

from kit.settings import describe
from llm_service.__main__ import DRAIN_SECONDS
from sender_service.domain.deliveries import CUT_OFF_SECONDS
from tests.house.tree import ROOT, SERVICES

NAMES = tuple(service.removesuffix("_service") for service in SERVICES)
KUBERNETES = ROOT / "deploy/kubernetes"
PROMETHEUS = ROOT / "deploy/prometheus"
# Each beside MESH_DRAIN_DELAY_SECONDS, or the pause before SIGTERM.
DRAINS: Mapping[str, tuple[str | float, ...]] = {
    "gateway": ("HTTP_DRAIN_SECONDS",),
    "storage": ("STORAGE_DRAIN_SECONDS",),
    "agent": ("AGENT_DRAIN_SECONDS",),
    "llm": (DRAIN_SECONDS,),
    "sender": ("SENDER_DRAIN_SECONDS", "SENDER_DRAIN_SECONDS", CUT_OFF_SECONDS),
}


def test_every_setting_in_compose_is_one_of_ours() -> None:
    services = _compose()["services"]
    ours = {name for each in NAMES for name in services[each].get("environment", {})}
    assert ours - _known(*NAMES) == set()
    assert set(NAMES) <= set(services)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_compose_asks_for_health_past_any_proxy(status: int, code: int) -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kind, _, option, script = _compose()["services"]["gateway"]["healthcheck"]["test"]
        command = [sys.executable, option, script.replace("9100", str(server.server_port))]
        proxied = {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"}
        asked = subprocess.run(command, env={**os.environ, **proxied}, timeout=60, check=False)
        server.shutdown()
    assert (kind, asked.returncode) == ("CMD", code)


def test_every_setting_on_kubernetes_is_one_of_ours() -> None:
    (settings,) = _objects("settings.yaml")
    assert set(settings["data"]) - _known(*NAMES) == set()
    everybody, storage = _objects("secret.example.yaml")
    assert set(everybody["stringData"]) - _known(*NAMES) == set()
    assert set(storage["stringData"]) - _known("storage") == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_service_on_kubernetes_is_told_settings_that_it_reads(name: str) -> None:
    assert {each["name"] for each in _container(name)["env"]} - _known(name) == set()
    assert _container(name)["args"] == ["serve", name]


@pytest.mark.parametrize("name", NAMES)
def test_a_service_on_kubernetes_is_found_where_it_listens(name: str) -> None:
    deployment, service, budget = _objects(f"{name}.yaml")
    (own,) = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] == own["name"]
    assert own["containerPort"] == _listens_on(name)
    if name != "gateway":
        assert f"{name}:{port['port']}" == _settings()[f"{name.upper()}_ADDRESS"]
        assert service["spec"]["clusterIP"] == "None", "one address would be one replica for each connection"
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (deployment["spec"]["selector"]["matchLabels"], budget["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    assert service["spec"]["selector"].items() <= labels.items()


@pytest.mark.parametrize("name", NAMES)
def test_a_service_on_kubernetes_has_time_to_end_what_it_began(name: str) -> None:
    deployment, *_ = _objects(f"{name}.yaml")
    hook = _container(name).get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    before = float(hook[1]) or float(_settings()["MESH_DRAIN_DELAY_SECONDS"])
    assert before >= 5
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > before + _drain_seconds(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_container_of_compose_has_time_to_end_what_it_began(name: str) -> None:
    before = float(_default(name, "MESH_DRAIN_DELAY_SECONDS"))
    assert float(_compose()["services"][name]["stop_grace_period"].rstrip("s")) > before + _drain_seconds(name)


def test_every_pod_is_looked_at_where_it_answers_and_may_do_nothing_else() -> None:
    (patch,) = _objects("every-deployment.yaml")
    pod = patch["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (metrics,) = container["ports"]
    assert str(metrics["containerPort"]) == _settings()["METRICS_PORT"]
    probes = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {each["port"] for each in probes.values()} == {metrics["name"]}
    served = (ROOT / "kit/monitoring.py").read_text()
    assert all(f'b"{each["path"]}"' in served for each in probes.values())
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert f"--uid {pod['securityContext']['runAsUser']} " in (ROOT / "Dockerfile").read_text()


def test_the_kustomization_names_every_file_and_all_five() -> None:
    (kustomization,) = _objects("kustomization.yaml")
    named = {*kustomization["resources"], *(each["path"] for each in kustomization["patches"])}
    assert named == {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    assert {f"{name}.yaml" for name in NAMES} <= named


def test_prometheus_looks_at_every_service_of_compose() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())
    (scrape,) = config["scrape_configs"]
    (found,) = scrape["dns_sd_configs"]
    assert sorted(found["names"]) == sorted(NAMES)
    assert {str(found["port"])} == {_compose()["services"][name]["environment"]["METRICS_PORT"] for name in NAMES}
    assert [name for name in config["rule_files"] if not (PROMETHEUS / name).is_file()] == []


def test_prometheus_looks_at_every_pod() -> None:
    (scrape,) = yaml.safe_load((PROMETHEUS / "kubernetes.yaml").read_text())["scrape_configs"]
    looked_at = {label for each in scrape["relabel_configs"] for label in each["source_labels"]}
    for name in NAMES:
        labels = _objects(f"{name}.yaml")[0]["spec"]["template"]["metadata"]["labels"]
        shown = {f"__meta_kubernetes_pod_label_{re.sub('[^a-z]', '_', label)}" for label in labels}
        assert shown | {"__meta_kubernetes_pod_container_port_name"} >= looked_at
        assert labels["app.kubernetes.io/name"] == name


def test_what_compose_mounts_is_there() -> None:
    volumes = [each for service in _compose()["services"].values() for each in service.get("volumes", ())]
    mounted = [each.split(":")[0] for each in volumes if each.startswith("./")]
    assert [each for each in mounted if not (ROOT / each).exists()] == []
    assert mounted


@cache
def _compose() -> dict[str, Any]:
    composed: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return composed


@cache
def _objects(file: str) -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load_all((KUBERNETES / file).read_text()))


def _container(name: str) -> dict[str, Any]:
    container: dict[str, Any] = _objects(f"{name}.yaml")[0]["spec"]["template"]["spec"]["containers"][0]
    return container


def _settings() -> dict[str, str]:
    data: dict[str, str] = _objects("settings.yaml")[0]["data"]
    return data


def _listens_on(name: str) -> int:
    """What its own Deployment says, else what is so off the shelf."""
    told = {each["name"]: each["value"] for each in _container(name)["env"]}
    return int(told[f"{name.upper()}_ADDRESS"].rpartition(":")[2] if name != "gateway" else _default(name, "HTTP_PORT"))


def _drain_seconds(name: str) -> float:
    """Off the shelf, when each part takes as long as it may."""
    return sum(float(_default(name, each)) if isinstance(each, str) else each for each in DRAINS[name])


def _known(*names: str) -> set[str]:
    return {row.name for name in names for row in describe(_class(name))}


def _default(name: str, setting: str) -> str:
    return next(row.default for row in describe(_class(name)) if row.name == setting)


def _class(name: str) -> Any:
    service = next(each for each in SERVICES if each.removesuffix("_service") == name)
    return importlib.import_module(f"{service}.settings").Settings
