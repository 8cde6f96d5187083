"""Whether each address that a container is given is a service's, and whether the network policies let it through."""

import re

from manifests import containers, name, named, workloads
from references import labels, selects

ADDRESS = re.compile(r"(?:^|=)([a-z][a-z0-9-]*):(\d+)$")


def faults(documents):
    services = named(documents, "Service")
    policies = list(named(documents, "NetworkPolicy").values())
    for client in workloads(documents):
        for host, port in sorted(addresses(client)):
            place = f"{name(client)}: {host}:{port}"
            service = services.get(host)
            offered = {entry["port"]: entry.get("targetPort") for entry in service["spec"]["ports"]} if service else {}
            if port not in offered:
                yield f"{place} is no service's"
                continue
            for server in workloads(documents):
                if service["spec"]["selector"].items() <= labels(server).items():
                    names = {port, offered[port]}
                    if not allowed(policies, "egress", "to", client, server, names):
                        yield f"{place}: no network policy lets it out"
                    if not allowed(policies, "ingress", "from", server, client, names):
                        yield f"{place}: no network policy lets it in to {name(server)}"


def addresses(workload):
    """Hosts and ports that are named in arguments and variables."""
    found = set()
    for container in containers(workload):
        variables = {variable["name"]: str(variable.get("value", "")) for variable in container.get("env", [])}
        for text in [*map(str, container.get("args", [])), *variables.values()]:
            if match := ADDRESS.search(text):
                found.add((match[1], int(match[2])))
        if "MYSQL_CONNECTION" in variables:
            found.add((variables["MYSQL_CONNECTION"], int(variables.get("MYSQL_PORT", 3306))))
    return found


def allowed(policies, direction, side, subject, peer, ports):
    """Whether a connection may be: where no policy of that direction holds for the subject, everything may."""
    holding = [
        policy["spec"] for policy in policies
        if selects(policy["spec"]["podSelector"], labels(subject))
        and direction.capitalize() in policy["spec"]["policyTypes"]
    ]
    return not holding or any(
        (not rule.get(side) or any(
            "namespaceSelector" not in other and selects(other["podSelector"], labels(peer)) for other in rule[side]
        ))
        and ("ports" not in rule or any(entry["port"] in ports for entry in rule["ports"]))
        for spec in holding for rule in spec.get(direction, [])
    )
