"""Checks that labels, ports, ServiceAccounts, Secrets and settings exist, and that no secret is inline."""

import re
from collections.abc import Iterator
from pathlib import Path

from render import Rendering, pod, title

TABLE = Path("crates/service/src/settings/names.rs")
# Names of variables with secret values, and values that contain a secret under any name.
SECRET_NAME = re.compile(r"DATABASE_URL|PASSWORD|SECRET|SIGNING_KEY|TOKEN$|ACCESS_KEY|CREDENTIALS")
SECRET_VALUE = re.compile(r"://[^/\s]*:[^/\s]*@|-----BEGIN")


def problems(rendering: Rendering) -> Iterator[str]:
    yield from selectors(rendering)
    yield from accounts(rendering)
    yield from variables(rendering)
    yield from namespaces(rendering)
    if rendering.given is not None:
        yield from sources(rendering, rendering.given)


def selectors(rendering: Rendering) -> Iterator[str]:
    for deployment in rendering.of("Deployment"):
        if not selected(deployment["spec"]["selector"]["matchLabels"], [deployment]):
            yield f"{title(deployment)}: the selector does not match the pod template"
        budgets = rendering.of("PodDisruptionBudget")
        if not any(selected(x["spec"]["selector"]["matchLabels"], [deployment]) for x in budgets):
            yield f"{title(deployment)}: no PodDisruptionBudget selects its pods"
    for thing, labels, ports in selecting(rendering):
        pods = selected(labels, rendering.workloads())
        if not pods:
            yield f"{title(thing)}: the labels {labels} select no pod"
        known = {port["name"] for x in pods for c in pod(x)["containers"] for port in c.get("ports", [])}
        for port in ports - known:
            yield f"{title(thing)}: the selected pods have the ports {sorted(known)}, but not {port}"
    for ingress in rendering.of("Ingress"):
        for path in [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]:
            wanted = path["backend"]["service"]
            service = rendering.named("Service", wanted["name"])
            if not service or wanted["port"]["name"] not in {p["name"] for p in service["spec"]["ports"]}:
                yield f"{title(ingress)}: the Service {wanted['name']} with the port {wanted['port']['name']} does not exist"


def selecting(rendering: Rendering) -> Iterator[tuple[dict, dict, set[str]]]:
    """Yields each object that selects pods, with its labels and the pod ports that it references."""
    for service in rendering.of("Service"):
        yield service, service["spec"]["selector"], {port["targetPort"] for port in service["spec"]["ports"]}
    for budget in rendering.of("PodDisruptionBudget"):
        yield budget, budget["spec"]["selector"]["matchLabels"], set()
    for monitor in rendering.of("PodMonitor"):
        ports = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
        yield monitor, monitor["spec"]["selector"]["matchLabels"], ports
    for policy in rendering.of("NetworkPolicy"):
        ports = {port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]}
        yield policy, policy["spec"]["podSelector"]["matchLabels"], ports


def selected(labels: dict, workloads: list[dict]) -> list[dict]:
    return [x for x in workloads if labels.items() <= x["spec"]["template"]["metadata"]["labels"].items()]


def accounts(rendering: Rendering) -> Iterator[str]:
    for workload in rendering.workloads():
        name = pod(workload).get("serviceAccountName", "default")
        if not rendering.named("ServiceAccount", name):
            yield f"{title(workload)}: the ServiceAccount {name} does not exist"


def variables(rendering: Rendering) -> Iterator[str]:
    known = set(re.findall(r'^    "(EXPORTS_\w+)",$', TABLE.read_text(), re.MULTILINE))
    # Each of these may also be given as the name of a file.
    known |= {f"{name}_FILE" for name in known if SECRET_NAME.search(name)}
    if not known:
        yield f"this check cannot find the list of variables in {TABLE}"
    for where, name, value in settings(rendering):
        if name.startswith("EXPORTS_") and name not in known:
            yield f"{where}: {name} is not listed in {TABLE}"
        if value is None or (name.endswith("_FILE") and value.startswith("/")):
            continue
        if SECRET_NAME.search(name) or SECRET_VALUE.search(value):
            yield f"{where}: {name} has a secret value: reference a Secret instead"
    for secret in rendering.of("Secret"):
        yield f"{title(secret)}: the manifests must not contain Secrets"


def settings(rendering: Rendering) -> Iterator[tuple[str, str, str | None]]:
    """Yields every variable with its value, or None if the value comes from elsewhere."""
    for config in rendering.of("ConfigMap"):
        yield from ((title(config), name, value) for name, value in config["data"].items())
    for workload in rendering.workloads():
        for container in pod(workload)["containers"]:
            for entry in container.get("env", []):
                yield title(workload), entry["name"], entry.get("value")
    for secret in rendering.given or []:
        yield from ((title(secret), name, None) for name in secret.get("stringData", {}))


def namespaces(rendering: Rendering) -> Iterator[str]:
    found = {x["metadata"].get("namespace") for x in rendering.objects if x["kind"] != "Namespace"}
    if len(found) > 1:
        yield f"the objects are in several namespaces: {sorted(map(str, found))}"


def sources(rendering: Rendering, given: list[dict]) -> Iterator[str]:
    """Checks that referenced Secrets and ConfigMaps are rendered or among the given ones."""
    there = {
        (x["kind"], x["metadata"]["name"]): x.get("data", {}) | x.get("stringData", {})
        for x in rendering.objects + given
        if x["kind"] in ("Secret", "ConfigMap")
    }
    for where, kind, name, key in wanted(rendering):
        if (kind, name) not in there:
            yield f"{where}: the {kind} {name} does not exist"
        elif key is not None and key not in there[kind, name]:
            yield f"{where}: {kind} {name} has no key {key}"


def wanted(rendering: Rendering) -> Iterator[tuple[str, str, str, str | None]]:
    for workload in rendering.workloads():
        where = title(workload)
        for volume in pod(workload).get("volumes", []):
            if "configMap" in volume:
                yield where, "ConfigMap", volume["configMap"]["name"], None
            if "secret" in volume:
                yield where, "Secret", volume["secret"]["secretName"], None
        for container in pod(workload)["containers"]:
            for source in container.get("envFrom", []):
                for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                    if field in source:
                        yield where, kind, source[field]["name"], None
            yield from mounted(where, container, pod(workload))
            for entry in container.get("env", []):
                for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                    if field in entry.get("valueFrom", {}):
                        reference = entry["valueFrom"][field]
                        yield where, kind, reference["name"], reference["key"]
    for authentication in rendering.of("TriggerAuthentication"):
        for reference in authentication["spec"]["secretTargetRef"]:
            yield title(authentication), "Secret", reference["name"], reference["key"]


def mounted(where: str, container: dict, spec: dict) -> Iterator[tuple[str, str, str, str | None]]:
    """Yields the Secret and the key behind each variable …_FILE that names a file of a mounted Secret."""
    secrets = {x["name"]: x["secret"]["secretName"] for x in spec.get("volumes", []) if "secret" in x}
    mounts = {x["mountPath"]: secrets[x["name"]] for x in container.get("volumeMounts", []) if x["name"] in secrets}
    for entry in container.get("env", []):
        folder, _, key = entry.get("value", "").rpartition("/")
        if entry["name"].endswith("_FILE") and folder in mounts:
            yield where, "Secret", mounts[folder], key
