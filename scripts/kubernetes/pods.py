"""What every pod of ours must be: restricted, probed, sized, and given time to stop."""

import re
from collections.abc import Iterator
from pathlib import Path

from render import Rendering, environment, pod, title

# Volumes of the restricted standard.
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
SECONDS = {"s": 1, "m": 60, "h": 3600}
# After EXPORTS_SHUTDOWN_GRACE a worker takes some ten seconds to give the rest back.
GIVING_BACK = 15
# How long the API lets requests go on, and how much longer it may take to end.
API_GRACE = (Path("crates/api/src/server.rs"), r"const GRACE: Duration = Duration::from_secs\((\d+)\);")
API_ENDING = 5


def problems(rendering: Rendering) -> Iterator[str]:
    for workload in rendering.workloads():
        spec = pod(workload)
        found = [*pod_problems(spec)]
        for container in spec["containers"] + spec.get("initContainers", []):
            rules = [restricted(container), sized(container), tagged(container)]
            if workload["kind"] == "Deployment":
                values = environment(container, rendering)
                rules += [probed(container), stops_in_time(spec, container, values), fits(container, values)]
                rules += [listens(container, values)]
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
        yield "securityContext.runAsUser must be 65532, the images' user"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "securityContext.seccompProfile.type must be RuntimeDefault"
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} must not be set"
    for volume in spec.get("volumes", []):
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']}: {kind} is not allowed by the restricted standard"
    if spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken must be false: nothing asks Kubernetes for anything"
    if spec.get("enableServiceLinks") is not False:
        yield "enableServiceLinks must be false: the variables of a Service exports-… would be refused"


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
            yield f"securityContext.{field} must be left to the pod's"
    for port in container.get("ports", []):
        if "hostPort" in port:
            yield f"port {port['name']}: hostPort is not allowed"


def sized(container: dict) -> Iterator[str]:
    resources = container.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    if not {"cpu", "memory"} <= requests.keys() or "memory" not in limits:
        yield "resources must request cpu and memory, and limit memory"
    elif bytes_of(requests["memory"]) > bytes_of(limits["memory"]):
        yield "resources: the memory requested is more than the limit"


def tagged(container: dict) -> Iterator[str]:
    image = container["image"]
    if not re.search(r"(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$", image):
        yield f"image {image} needs a tag other than latest, or a digest"


def probed(container: dict) -> Iterator[str]:
    ports = {port["name"] for port in container.get("ports", [])}
    for probe, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
        settings = container.get(f"{probe}Probe")
        if settings is None:
            yield f"{probe}Probe is missing"
            continue
        get = settings.get("httpGet", {})
        if get.get("path") != path:
            yield f"{probe}Probe must ask {path}, not {get.get('path')}"
        if get.get("port") not in ports:
            yield f"{probe}Probe asks the port {get.get('port')}, which the container does not name"
        if probe == "readiness" and settings.get("timeoutSeconds", 1) < 3:
            yield "readinessProbe.timeoutSeconds must be 3 or more: the answer takes up to 2 s"


def stops_in_time(spec: dict, container: dict, values: dict[str, str]) -> Iterator[str]:
    given = spec.get("terminationGracePeriodSeconds", 30)
    stop = container.get("lifecycle", {}).get("preStop", {})
    if stop and stop.keys() != {"sleep"}:
        yield "lifecycle.preStop must sleep: there is no shell in the images"
    needed = stop.get("sleep", {}).get("seconds", 0)
    if container["name"] == "exports-worker":
        if "EXPORTS_SHUTDOWN_GRACE" not in values:
            yield "EXPORTS_SHUTDOWN_GRACE must be set beside terminationGracePeriodSeconds"
            return
        needed += seconds(values["EXPORTS_SHUTDOWN_GRACE"]) + GIVING_BACK
    else:
        path, constant = API_GRACE
        grace = re.search(constant, path.read_text())
        if grace is None:
            yield f"{path} has no GRACE that this check can read"
            return
        needed += int(grace[1]) + API_ENDING
    if given < needed:
        yield f"terminationGracePeriodSeconds is {given}; it must be {needed} or more"


def fits(container: dict, values: dict[str, str]) -> Iterator[str]:
    """The formula of RUNBOOK.md: 64 MiB, and 48 for each export at a time."""
    limit = container.get("resources", {}).get("limits", {}).get("memory")
    if container["name"] == "exports-worker" and limit:
        needed = 64 + 48 * int(values.get("EXPORTS_CONCURRENCY", "2"))
        if bytes_of(limit) < needed * UNITS["Mi"]:
            yield f"the memory's limit is {limit}; so many exports at a time want {needed}Mi or more"


def listens(container: dict, values: dict[str, str]) -> Iterator[str]:
    declared = {port["containerPort"] for port in container.get("ports", [])}
    bound = {name: value for name, value in values.items() if name.endswith("_LISTEN")}
    for name, value in bound.items():
        if not value.startswith("0.0.0.0:") or int(value.rpartition(":")[2]) not in declared:
            yield f"{name} is {value}, which is none of the container's ports on all addresses"
    if len(bound) != len(declared):
        yield f"has {len(declared)} ports and listens on {len(bound)}"


def bytes_of(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\D*)", quantity).groups()
    return int(number) * UNITS[unit]


def seconds(duration: str) -> int:
    return sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"(\d+)([smh])", duration))
