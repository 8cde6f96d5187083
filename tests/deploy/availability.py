"""What a service of several copies must have: a disruption budget, copies on several nodes, and no open network."""

from manifests import at, name, named, template, workloads
from references import labels, selects


def faults(documents):
    scalers = named(documents, "HorizontalPodAutoscaler").values()
    autoscaled = {scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers}
    several = [
        workload for workload in workloads(documents)
        if workload["metadata"]["name"] in autoscaled or at(workload, "spec", "replicas", default=1) > 1
    ]
    budgets = named(documents, "PodDisruptionBudget").values()
    for workload in several:
        if not any(selects(budget["spec"]["selector"], labels(workload)) for budget in budgets):
            yield f"{name(workload)}: no disruption budget"
        spread = at(template(workload), "spec", "topologySpreadConstraints", default=[])
        over = {constraint["topologyKey"] for constraint in spread
                if selects(constraint["labelSelector"], labels(workload))}
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone"):
            if key not in over:
                yield f"{name(workload)}: not spread over {key}"
    if several and not any(closes(policy["spec"]) for policy in named(documents, "NetworkPolicy").values()):
        yield "no network policy that closes everything that no other opens"


def closes(policy):
    return (policy["podSelector"] == {} and set(policy["policyTypes"]) == {"Ingress", "Egress"}
            and not policy.get("ingress") and not policy.get("egress"))
