"""Takes away or spoils one thing after another: each time the rules must say so, or they are worth nothing."""

import copy

from manifests import SERVERS, at, containers, name, named, template, workloads
from photos import READS, STORES
from policy import CONTAINER, POD, PROBES, RESOURCES


def of_manifests(documents):
    """Spoiled copies, each with what was done and to whom."""
    for index, workload in enumerate(documents):
        if not template(workload):
            continue
        spoil = Spoiler(documents, index)
        for path, _ in POD:
            yield spoil(f"pod without {'.'.join(path)}", lambda w: cut(template(w)["spec"], path))
        yield spoil("pod as root", lambda w: put(template(w)["spec"], ("securityContext", "runAsUser"), 0))
        yield spoil("a folder of the host", lambda w: template(w)["spec"].setdefault("volumes", []).append(
            {"name": "host", "hostPath": {"path": "/"}}))
        yield spoil("a field that there is not", lambda w: put(template(w)["spec"], ("runAsNobody",), True))
        if workload["kind"] == "Deployment":
            yield spoil("copies that may be missing", lambda w: put(
                w, ("spec", "strategy", "rollingUpdate", "maxUnavailable"), 1))
        if workload["kind"] == "CronJob":
            yield spoil("runs beside each other", lambda w: put(w, ("spec", "concurrencyPolicy"), "Allow"))
            yield spoil("a run without an end", lambda w: cut(
                w, ("spec", "jobTemplate", "spec", "activeDeadlineSeconds")))
        for number, container in enumerate(containers(workload)):
            yield from of_container(spoil, number, container, workload["kind"] in SERVERS)
    yield from of_the_rest(documents)


def of_container(spoil, number, container, serves):
    def one(workload):
        return containers(workload)[number]

    for path, _ in CONTAINER:
        yield spoil(f"without {'.'.join(path)}", lambda w: cut(one(w), path))
    yield spoil("privileged", lambda w: put(one(w), ("securityContext", "privileged"), True))
    for part in ("requests", "limits"):
        for resource in RESOURCES:
            yield spoil(f"without {part}.{resource}", lambda w: cut(one(w), ("resources", part, resource)))
    yield spoil("requests over the limits", lambda w: put(one(w), ("resources", "requests", "memory"), "100Gi"))
    yield spoil("the latest image", lambda w: put(one(w), ("image",), "facerecog/recognizer:latest"))
    if serves:
        for probe in PROBES:
            yield spoil(f"without {probe}", lambda w: cut(one(w), (probe,)))
    for probe in PROBES:
        for how in ("httpGet", "grpc"):
            if at(container, probe, how):
                yield spoil(f"{probe} of another port", lambda w: put(one(w), (probe, how, "port"), 1))
    for variable in {*STORES.values(), *READS.values()} & {given["name"] for given in container.get("env", [])}:
        yield spoil(f"without {variable}", lambda w: put(
            one(w), ("env",), [given for given in one(w)["env"] if given["name"] != variable]))
        yield spoil(f"another {variable}", lambda w: [
            given.update(value="/elsewhere") for given in one(w)["env"] if given["name"] == variable])
        if variable in STORES.values():
            yield spoil("photos on a folder that it cannot write", lambda w: [
                mount.update(readOnly=True) for mount in one(w)["volumeMounts"]])
        else:
            yield spoil("photos of another claim", lambda w: [
                volume["persistentVolumeClaim"].update(claimName="mysql-data")
                for volume in template(w)["spec"]["volumes"] if "persistentVolumeClaim" in volume])
    if container.get("volumeMounts"):
        yield spoil("a volume that there is not", lambda w: put(one(w), ("volumeMounts", 0, "name"), "nowhere"))


def of_programs(documents, images):
    """The same, for what our programs are given."""
    for index, workload in enumerate(documents):
        if not template(workload):
            continue
        spoil = Spoiler(documents, index)
        for number, container in enumerate(containers(workload)):
            if container["image"].partition(":")[0] not in images:
                continue

            def one(workload):
                return containers(workload)[number]

            yield spoil("a flag that there is not", lambda w: one(w)["args"].append("--no-such-flag"))
            yield spoil("a command that there is not", lambda w: put(one(w), ("args", 0), "no-such-command"))
            for variable in range(len(container.get("env", []))):
                yield spoil(f"variable {variable} misspelt", lambda w: put(
                    one(w), ("env", variable, "name"), one(w)["env"][variable]["name"] + "S"))
            if container["args"][0] == "serve":
                yield spoil("a value that cannot be", lambda w: one(w)["env"].append(
                    {"name": "FACERECOG_MAX_FACES", "value": "0"}))
                yield spoil("killed too early", lambda w: put(
                    template(w)["spec"], ("terminationGracePeriodSeconds",), 1))


def of_the_rest(documents):
    for index, document in enumerate(documents):
        spoil, kind = Spoiler(documents, index), document["kind"]
        if kind == "Service":
            yield spoil("another selector", lambda d: put(d, ("spec", "selector", "app"), "nobody"))
            yield spoil("another port", lambda d: put(d, ("spec", "ports", 0, "targetPort"), "nowhere"))
            if document["metadata"]["name"] in ("mysql", "nsqd", "nsqlookup", "face-recog"):
                yield spoil("another name", lambda d: put(d, ("metadata", "name"), "somebody"), anywhere=True)
        if kind == "PersistentVolumeClaim":
            yield spoil("another name", lambda d: put(d, ("metadata", "name"), "somebody"), anywhere=True)
        if kind in ("ConfigMap", "Secret"):
            yield spoil("another name", lambda d: put(d, ("metadata", "name"), "somebody"), anywhere=True)
        if kind == "HorizontalPodAutoscaler":
            yield spoil("another target", lambda d: put(d, ("spec", "scaleTargetRef", "name"), "nobody"))
        if kind == "PodDisruptionBudget":
            yield spoil("another selector", lambda d: put(d, ("spec", "selector", "matchLabels", "app"), "nobody"))
        if kind == "NetworkPolicy" and document["metadata"]["name"].startswith(("to-", "from-clients-")):
            yield spoil("gone", lambda d: d["spec"].update(ingress=[], egress=[]), anywhere=True)
        if kind == "NetworkPolicy" and document["metadata"]["name"] == "deny-all":
            yield spoil("lets everything in", lambda d: put(d, ("spec", "ingress"), [{}]), anywhere=True)
        if "topologySpreadConstraints" in at(template(document), "spec", default={}):
            yield spoil("not spread", lambda d: cut(template(d)["spec"], ("topologySpreadConstraints",)))


def of_compose(project):
    for service, settings in project["services"].items():
        for field in ("read_only", "cap_drop", "security_opt", "mem_limit", "cpus", "pids_limit", "user",
                      "healthcheck"):
            spoiled = copy.deepcopy(project)
            if spoiled["services"][service].pop(field, None) is not None:
                if service != "nsqd-folder" or field not in ("user", "healthcheck"):
                    yield f"service {service} without {field}", service, spoiled
        for what, change in (
            ("a command that there is not", lambda s: s["command"].insert(0, "no-such-command")),
            ("a variable that there is not", lambda s: s["environment"].update(NO_SUCH_VARIABLE="1")),
            ("a health command that there is not", lambda s: s["healthcheck"]["test"].insert(2, "no-such-command")),
        ):
            spoiled = copy.deepcopy(project)
            if settings["image"].startswith("facerecog/") and ("health" not in what or "healthcheck" in settings):
                change(spoiled["services"][service])
                yield f"service {service}: {what}", service, spoiled
        for variable in {*STORES.values(), *READS.values()} & settings.get("environment", {}).keys():
            spoiled = copy.deepcopy(project)
            del spoiled["services"][service]["environment"][variable]
            yield f"service {service} without {variable}", service, spoiled
            spoiled = copy.deepcopy(project)
            spoiled["services"][service]["volumes"] = []
            yield f"service {service} without volumes", service, spoiled
        spoiled = copy.deepcopy(project)
        spoiled["services"][service]["no_such_field"] = True
        yield f"service {service}: a field that there is not", "", spoiled


class Spoiler:
    """Makes spoiled copies of one document among all."""

    def __init__(self, documents, index):
        self.documents, self.index = documents, index

    def __call__(self, what, change, anywhere=False):
        documents = copy.deepcopy(self.documents)
        change(documents[self.index])
        whose = name(self.documents[self.index])
        return f"{whose}: {what}", "" if anywhere else whose, documents


def cut(value, path):
    *way, last = path
    value = at(value, *way)
    if value is not None:
        value.pop(last, None)


def put(value, path, new):
    *way, last = path
    for step in way:
        value = value[step] if isinstance(step, int) else value.setdefault(step, {})
    value[last] = new
