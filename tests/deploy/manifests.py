"""What deploy/k8s/ gives a cluster, as kustomize renders it, and a way around in it."""

import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy/k8s"

# Kinds that have a pod, and where it is.
POD_TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
# Of these, the ones that are to run for ever.
SERVERS = {"Deployment", "StatefulSet", "DaemonSet"}


def overlays():
    return sorted(folder.parent for folder in KUBERNETES.glob("overlays/*/kustomization.yaml"))


def render(kustomize, folder):
    built = subprocess.run([kustomize, "build", folder], capture_output=True, text=True)
    if built.returncode != 0:
        raise SystemExit(f"kustomize build {folder}:\n{built.stderr}")
    return [document for document in yaml.safe_load_all(built.stdout) if document]


def name(document):
    return f"{document['kind']} {document['metadata']['name']}"


def at(value, *path, default=None):
    """What is at a path of keys and indexes, or the default."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return default
    return value


def template(document):
    """The pod's template; none for what has no pod."""
    path = POD_TEMPLATES.get(document["kind"])
    return at(document, *path) if path else None


def workloads(documents):
    return [document for document in documents if template(document)]


def containers(document):
    """All containers of a workload, those that begin first among them."""
    pod = template(document)["spec"]
    return pod.get("initContainers", []) + pod["containers"]


def named(documents, kind):
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


def quantity(text):
    """A quantity of Kubernetes as a number: 250m, 64Mi."""
    suffixes = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    text = str(text)
    for suffix in sorted(suffixes, key=len, reverse=True):
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * suffixes[suffix]
    return float(text)
