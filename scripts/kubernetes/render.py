"""Renders overlays with kubectl, like `kubectl apply -k`, and finds objects in them."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path("deploy/kubernetes")
SECRETS = FOLDER / "overlays/example/secrets.example.yaml"


@dataclass
class Rendering:
    """The objects of one overlay."""

    name: str
    objects: list[dict]
    # Secrets and ConfigMaps that must already exist in the cluster. None if they are unknown.
    given: list[dict] | None

    def of(self, kind: str) -> list[dict]:
        return [thing for thing in self.objects if thing["kind"] == kind]

    def named(self, kind: str, name: str) -> dict | None:
        return next((thing for thing in self.of(kind) if thing["metadata"]["name"] == name), None)

    def workloads(self) -> list[dict]:
        return self.of("Deployment") + self.of("Job")


def title(thing: dict) -> str:
    return f"{thing['kind']} {thing['metadata']['name']}"


def pod(workload: dict) -> dict:
    return workload["spec"]["template"]["spec"]


def environment(container: dict, rendering: Rendering) -> dict[str, str]:
    """Returns the variables with literal values. The values of Secrets are unknown."""
    values = {}
    for source in container.get("envFrom", []):
        config = rendering.named("ConfigMap", source.get("configMapRef", {}).get("name"))
        values |= config["data"] if config else {}
    for entry in container.get("env", []):
        if "value" in entry:
            values[entry["name"]] = entry["value"]
    return values


def project_overlays() -> Iterator[Rendering]:
    """Yields the base, the example, and the example with each component and with all components."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "kubernetes"
        shutil.copytree(FOLDER, copy)
        given = documents(SECRETS.read_text()) + [
            {"kind": "ConfigMap", "metadata": {"name": "exports-database-ca"}, "data": {"ca.pem": ""}}
        ]
        yield Rendering("base", render(copy / "base"), given)
        yield Rendering("overlays/example", render(copy / "overlays/example"), given)
        components = sorted(path.parent.name for path in copy.glob("components/*/kustomization.yaml"))
        for chosen in [[name] for name in components] + [components]:
            add_components(copy / "overlays/example", chosen)
            name = f"overlays/example with {', '.join(chosen)}"
            yield Rendering(name, render(copy / "overlays/example"), given)


def given_overlays(folders: Iterable[Path]) -> Iterator[Rendering]:
    for folder in folders:
        yield Rendering(str(folder), render(folder), None)


def add_components(overlay: Path, names: list[str]) -> None:
    """Enables components as the comments in the example overlay describe."""
    path = overlay / "kustomization.yaml"
    text = yaml.safe_load((FOLDER / "overlays/example/kustomization.yaml").read_text())
    text["components"] = (text["components"] or []) + [f"../../components/{name}" for name in names]
    if "keda" in names:
        text["replicas"] = [entry for entry in text["replicas"] if entry["name"] != "exports-worker"]
    path.write_text(yaml.safe_dump(text))


def render(folder: Path) -> list[dict]:
    run = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    if run.returncode or run.stderr:
        sys.exit(f"{folder} cannot be rendered:\n{run.stderr}")
    return documents(run.stdout)


def documents(text: str) -> list[dict]:
    return [document for document in yaml.safe_load_all(text) if document]
