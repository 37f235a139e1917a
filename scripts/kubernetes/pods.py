"""Checks every pod: security context, probes, resources, images, ports and grace periods."""

import re
from collections.abc import Iterator
from pathlib import Path

from render import Rendering, environment, pod, title

# Volume types that the restricted pod security standard allows.
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
SECONDS = {"s": 1, "m": 60, "h": 3600}
# After EXPORTS_SHUTDOWN_GRACE a worker needs about 10 s to release its exports. 15 s has a margin.
RELEASE_SECONDS = 15
# How long the API waits for running requests, and how much longer it needs to exit.
API_GRACE = (Path("crates/api/src/server.rs"), r"const \w*GRACE: Duration = Duration::from_secs\((\d+)\);")
API_EXIT_SECONDS = 5
# The default of EXPORTS_MAX_CONNECTIONS.
MAX_CONNECTIONS = 2048
# The default of EXPORTS_UPLOAD_MEMORY.
UPLOAD_MEMORY = "64MiB"


def problems(rendering: Rendering) -> Iterator[str]:
    for workload in rendering.workloads():
        spec = pod(workload)
        found = [*pod_problems(spec)]
        for container in spec["containers"] + spec.get("initContainers", []):
            rules = [restricted(container), sized(container), pinned(container, rendering)]
            if workload["kind"] == "Deployment":
                values = environment(container, rendering)
                rules += [probed(container), stops_in_time(spec, container, values), fits(container, values)]
                rules += [listens(container, values), addressed(values)]
            found += [f"{container['name']}: {text}" for rule in rules for text in rule]
        yield from (f"{title(workload)}: {text}" for text in found)
    for account in rendering.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{title(account)}: automountServiceAccountToken must be false"


def pod_problems(spec: dict) -> Iterator[str]:
    context = spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True:
        yield "securityContext.runAsNonRoot must be true"
    if context.get("runAsUser") != 65532:
        yield "securityContext.runAsUser must be 65532, the user of the images"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "securityContext.seccompProfile.type must be RuntimeDefault"
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} must not be set"
    for volume in spec.get("volumes", []):
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']}: the restricted standard does not allow {kind}"
    if spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken must be false: no program uses the Kubernetes API"
    if spec.get("enableServiceLinks") is not False:
        yield "enableServiceLinks must be false: the programs refuse the EXPORTS_* variables of a Service exports-…"


def restricted(container: dict) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "securityContext.allowPrivilegeEscalation must be false"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "securityContext.capabilities must drop ALL and add none"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "securityContext.readOnlyRootFilesystem must be true"
    for field in ("privileged", "runAsUser", "runAsNonRoot", "seccompProfile", "procMount"):
        if field in context:
            yield f"securityContext.{field} must not be set in the container: the pod sets it"
    for port in container.get("ports", []):
        if "hostPort" in port:
            yield f"port {port['name']}: hostPort is not allowed"


def sized(container: dict) -> Iterator[str]:
    resources = container.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    if not {"cpu", "memory"} <= requests.keys() or "memory" not in limits:
        yield "resources must request cpu and memory, and limit memory"
    elif bytes_of(requests["memory"]) > bytes_of(limits["memory"]):
        yield "resources: the memory request must not exceed the memory limit"


def pinned(container: dict, rendering: Rendering) -> Iterator[str]:
    """Accepts tags in this repository only: the images of its example are in no registry."""
    image = container["image"]
    if re.search(r"@sha256:[0-9a-f]{64}$", image):
        return
    if not re.search(r":(?!latest$)[\w.-]+$", image):
        yield f"image {image} must have a digest or a tag other than latest"
    elif rendering.given is None and has_registry(image):
        yield f"image {image} must have a digest: a tag can be moved to another image"


def has_registry(image: str) -> bool:
    """Docker's rule: the part before the first slash is a registry if it looks like a host."""
    host, slash, _ = image.partition("/")
    return bool(slash) and ("." in host or ":" in host or host == "localhost")


def probed(container: dict) -> Iterator[str]:
    ports = {port["name"] for port in container.get("ports", [])}
    for probe, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
        settings = container.get(f"{probe}Probe")
        if settings is None:
            yield f"{probe}Probe is missing"
            continue
        get = settings.get("httpGet", {})
        if get.get("path") != path:
            yield f"{probe}Probe must request {path}, not {get.get('path')}"
        if get.get("port") not in ports:
            yield f"{probe}Probe uses the port {get.get('port')}, which the container does not declare"
        if probe == "readiness" and settings.get("timeoutSeconds", 1) < 3:
            yield "readinessProbe.timeoutSeconds must be at least 3: the response takes up to 2 s"


def stops_in_time(spec: dict, container: dict, values: dict[str, str]) -> Iterator[str]:
    given = spec.get("terminationGracePeriodSeconds", 30)
    stop = container.get("lifecycle", {}).get("preStop", {})
    if stop and stop.keys() != {"sleep"}:
        yield "lifecycle.preStop must be a sleep action: the images have no shell"
    needed = stop.get("sleep", {}).get("seconds", 0)
    if container["name"] == "exports-worker":
        if "EXPORTS_SHUTDOWN_GRACE" not in values:
            yield "EXPORTS_SHUTDOWN_GRACE must be set together with terminationGracePeriodSeconds"
            return
        needed += seconds(values["EXPORTS_SHUTDOWN_GRACE"]) + RELEASE_SECONDS
    else:
        path, constant = API_GRACE
        grace = re.search(constant, path.read_text())
        if grace is None:
            yield f"this check cannot find the shutdown grace constant in {path}"
            return
        needed += int(grace[1]) + API_EXIT_SECONDS
    if given < needed:
        yield f"terminationGracePeriodSeconds is {given}, but must be at least {needed}"


def fits(container: dict, values: dict[str, str]) -> Iterator[str]:
    """Applies the formulas of RUNBOOK.md, "Memory", for workers with one reader and for the API."""
    limit = container.get("resources", {}).get("limits", {}).get("memory")
    if not limit:
        return
    if container["name"] == "exports-worker":
        upload = mebibytes(values.get("EXPORTS_UPLOAD_MEMORY", UPLOAD_MEMORY))
        reason = "EXPORTS_CONCURRENCY with EXPORTS_UPLOAD_MEMORY"
        needed = 64 + (24 + upload) * int(values.get("EXPORTS_CONCURRENCY", "2"))
    else:
        connections = int(values.get("EXPORTS_MAX_CONNECTIONS", MAX_CONNECTIONS))
        reason, needed = "EXPORTS_MAX_CONNECTIONS", 128 + connections // 16
    if bytes_of(limit) < needed * UNITS["Mi"]:
        yield f"the memory limit is {limit}, but {reason} needs at least {needed}Mi"


def listens(container: dict, values: dict[str, str]) -> Iterator[str]:
    declared = {port["containerPort"] for port in container.get("ports", [])}
    bound = {name: value for name, value in values.items() if name.endswith("_LISTEN")}
    for name, value in bound.items():
        if not value.startswith("0.0.0.0:") or int(value.rpartition(":")[2]) not in declared:
            yield f"{name} is {value}, but must be 0.0.0.0 with a port that the container declares"
    if len(bound) != len(declared):
        yield f"declares {len(declared)} ports but listens on {len(bound)}"


def addressed(values: dict[str, str]) -> Iterator[str]:
    signs = values.keys() & {"EXPORTS_SIGNING_KEY", "EXPORTS_SIGNING_KEY_FILE"}
    if signs and "EXPORTS_PUBLIC_URL" not in values:
        yield "EXPORTS_PUBLIC_URL must be set: the API signs links to itself, and listens on all addresses"


def mebibytes(size: str) -> int:
    """A size as the programs write it: 64MiB or 2GiB."""
    number, unit = re.fullmatch(r"(\d+) *([MG])iB", size.strip()).groups()
    return int(number) * (1024 if unit == "G" else 1)


def bytes_of(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\D*)", quantity).groups()
    return int(number) * UNITS[unit]


def seconds(duration: str) -> int:
    return sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"(\d+)([smh])", duration))
