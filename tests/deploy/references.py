"""Whether what the manifests name is there: selectors, ports, claims, secrets, config maps, targets."""

from manifests import at, containers, name, named, template, workloads

# Made in the cluster, and never in a manifest.
FROM_OUTSIDE = {"production": {"kube-face-secret"}}


def faults(documents, overlay):
    yield from of_services(documents)
    yield from of_pods(documents, overlay)
    yield from of_targets(documents)
    yield from of_policies(documents)


def labels(workload):
    return at(template(workload), "metadata", "labels", default={})


def selects(selector, of):
    """Whether a label selector chooses labels."""
    wanted = selector.get("matchLabels", {}).items() <= of.items()
    return wanted and all(
        of.get(expression["key"]) in expression["values"] for expression in selector.get("matchExpressions", [])
    )


def ports(workload):
    """Names and numbers of the ports of a workload."""
    declared = [port for container in containers(workload) for port in container.get("ports", [])]
    return {port["containerPort"] for port in declared} | {port.get("name") for port in declared}


def of_services(documents):
    for service in named(documents, "Service").values():
        behind = [
            workload for workload in workloads(documents)
            if service["spec"]["selector"].items() <= labels(workload).items()
        ]
        if not behind:
            yield f"{name(service)}: its selector chooses no pod"
        for workload in behind:
            for port in service["spec"]["ports"]:
                if port.get("targetPort", port["port"]) not in ports(workload):
                    yield f"{name(service)}: {name(workload)} has no port {port.get('targetPort', port['port'])}"


def of_pods(documents, overlay):
    outside = FROM_OUTSIDE.get(overlay, set())
    there = {
        "persistentVolumeClaim": ("claimName", set(named(documents, "PersistentVolumeClaim"))),
        "secret": ("secretName", set(named(documents, "Secret")) | outside),
        "configMap": ("name", set(named(documents, "ConfigMap"))),
    }
    for workload in workloads(documents):
        if not at(workload, "spec", "selector", "matchLabels", default={}).items() <= labels(workload).items():
            yield f"{name(workload)}: its selector does not choose its own pods"
        pod = template(workload)["spec"]
        for volume in pod.get("volumes", []):
            for kind, (key, known) in there.items():
                if kind in volume and volume[kind][key] not in known:
                    yield f"{name(workload)}: there is no {kind} {volume[kind][key]}"
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        mounted = set()
        for container in containers(workload):
            for mount in container.get("volumeMounts", []):
                mounted.add(mount["name"])
                if mount["name"] not in volumes:
                    yield f"{name(workload)}: there is no volume {mount['name']}"
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for how in ("httpGet", "tcpSocket", "grpc"):
                    port = at(container, probe, how, "port")
                    if port is not None and port not in ports(workload):
                        yield f"{name(workload)}: {probe} asks port {port}, which {container['name']} has not"
            for variable in container.get("env", []):
                secret = at(variable, "valueFrom", "secretKeyRef", "name")
                if secret and secret not in there["secret"][1]:
                    yield f"{name(workload)}: there is no secret {secret}"
        for volume in sorted(volumes - mounted):
            yield f"{name(workload)}: volume {volume} is mounted nowhere"


def of_targets(documents):
    for scaler in named(documents, "HorizontalPodAutoscaler").values():
        target = scaler["spec"]["scaleTargetRef"]
        scaled = named(documents, target["kind"]).get(target["name"])
        if scaled is None:
            yield f"{name(scaler)}: there is no {target['kind']} {target['name']}"
        elif "replicas" in scaled["spec"]:
            yield f"{name(scaled)}: replicas, which each apply would take from the autoscaler"
    for budget in named(documents, "PodDisruptionBudget").values():
        if not any(selects(budget["spec"]["selector"], labels(workload)) for workload in workloads(documents)):
            yield f"{name(budget)}: its selector chooses no pod"


def of_policies(documents):
    everyone = workloads(documents)
    for policy in named(documents, "NetworkPolicy").values():
        spec = policy["spec"]
        chosen = [workload for workload in everyone if selects(spec["podSelector"], labels(workload))]
        if not chosen:
            yield f"{name(policy)}: its selector chooses no pod"
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(direction, []):
                peers = [
                    workload
                    for peer in rule.get(side, []) if "podSelector" in peer and "namespaceSelector" not in peer
                    for workload in everyone if selects(peer["podSelector"], labels(workload))
                ]
                if any("namespaceSelector" not in peer for peer in rule.get(side, [])) and not peers:
                    yield f"{name(policy)}: {direction} with no pod at all"
                for workload in chosen if direction == "ingress" else peers:
                    for port in rule.get("ports", []):
                        if port["port"] not in ports(workload):
                            yield f"{name(policy)}: {name(workload)} has no port {port['port']}"
