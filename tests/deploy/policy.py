"""What every workload must have: probes, requests and limits, and no more rights than it needs."""

from manifests import SERVERS, at, containers, name, quantity, template, workloads

# Where, and what is right there.
POD = [
    (("securityContext", "runAsNonRoot"), True),
    (("securityContext", "seccompProfile", "type"), "RuntimeDefault"),
    # A service that is broken into must not speak to the cluster.
    (("automountServiceAccountToken",), False),
    # A service `frontend` would set FRONTEND_PORT to tcp://… in every pod.
    (("enableServiceLinks",), False),
]
CONTAINER = [
    (("securityContext", "allowPrivilegeEscalation"), False),
    (("securityContext", "readOnlyRootFilesystem"), True),
    (("securityContext", "capabilities", "drop"), ["ALL"]),
]
# What else would undo them.
FORBIDDEN = [
    ("securityContext", "privileged"),
    ("securityContext", "capabilities", "add"),
    ("securityContext", "runAsNonRoot"),
    ("securityContext", "runAsUser"),
    ("securityContext", "seccompProfile"),
]
PROBES = ["readinessProbe", "livenessProbe"]
RESOURCES = ["cpu", "memory"]


def faults(documents):
    for workload in workloads(documents):
        pod = template(workload)["spec"]
        yield from (f"{name(workload)}: {fault}" for fault in of_pod(pod))
        for container in containers(workload):
            for fault in of_container(container, workload["kind"] in SERVERS):
                yield f"{name(workload)}, {container['name']}: {fault}"
        yield from (f"{name(workload)}: {fault}" for fault in of_roll_out(workload))


def of_pod(pod):
    yield from wrong(pod, POD)
    if at(pod, "securityContext", "runAsUser", default=0) == 0:
        yield "securityContext.runAsUser is missing or root"
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{field} is not allowed"
    for volume in pod.get("volumes", []):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is a folder of the host: claim it"


def of_container(container, serves):
    yield from wrong(container, CONTAINER)
    for path in FORBIDDEN:
        if at(container, *path) is not None:
            yield f"{'.'.join(path)} is not for a container to set"
    for probe in PROBES:
        if serves and probe not in container:
            yield f"no {probe}"
    for resource in RESOURCES:
        request, limit = (at(container, "resources", part, resource) for part in ("requests", "limits"))
        for part, value in (("requests", request), ("limits", limit)):
            if value is None:
                yield f"no resources.{part}.{resource}"
        if request is not None and limit is not None and quantity(request) > quantity(limit):
            yield f"requests more {resource} than its limit: {request} of {limit}"
    version = container["image"].rpartition(":")[2]
    if "/" in version or version == container["image"] or version == "latest":
        yield f"image {container['image']} names no version"


def of_roll_out(workload):
    kind, spec = workload["kind"], workload["spec"]
    if kind == "Deployment" and at(spec, "strategy", "rollingUpdate", "maxUnavailable") != 0:
        yield "strategy.rollingUpdate.maxUnavailable is not 0"
    if kind == "CronJob":
        if spec.get("concurrencyPolicy") != "Forbid":
            yield "concurrencyPolicy is not Forbid"
        if at(spec, "jobTemplate", "spec", "activeDeadlineSeconds") is None:
            yield "no jobTemplate.spec.activeDeadlineSeconds"


def wrong(value, rules):
    for path, right in rules:
        found = at(value, *path)
        if found != right:
            yield f"{'.'.join(path)} is {found!r}, not {right!r}"
