"""The same for deploy/compose.yaml: its form, what each service must have, and what our programs know."""

import re
import subprocess
import tempfile

import yaml

from manifests import ROOT, at
from programs import of_image

FILE = ROOT / "deploy/compose.yaml"
# Takes over a volume and ends: root, with the one capability for it.
ONE_SHOT = {"nsqd-folder"}
ADDRESS = re.compile(r"(?:^|=)([a-z][a-z0-9-]*):(\d+)$")


def load():
    """The file, its variables at their defaults."""
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", FILE.read_text()))


def faults(project, programs):
    for service, settings in project["services"].items():
        for fault in [*of_rights(service, settings), *of_limits(service, settings), *of_volumes(project, settings),
                      *of_program(settings, programs), *of_addresses(project, settings)]:
            yield f"service {service}: {fault}"


def form(project, loader):
    """What the library says that `docker compose` reads such files with."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(project, file)
        file.flush()
        loaded = subprocess.run([loader, "-no-path-resolution", file.name], capture_output=True, text=True)
    if loaded.returncode != 0:
        yield f"not a compose file: {(loaded.stderr or loaded.stdout).strip()}"


def of_rights(service, settings):
    for field, right in (("read_only", True), ("cap_drop", ["ALL"]), ("security_opt", ["no-new-privileges:true"])):
        if settings.get(field) != right:
            yield f"{field} is {settings.get(field)!r}, not {right!r}"
    if service not in ONE_SHOT:
        if "cap_add" in settings or settings.get("privileged"):
            yield "more rights than it needs"
        if str(settings.get("user", "0")).partition(":")[0] == "0":
            yield "user is missing or root"


def of_limits(service, settings):
    for field in ("mem_limit", "cpus", "pids_limit"):
        if field not in settings:
            yield f"no {field}"
    if service not in ONE_SHOT and not at(settings, "healthcheck", "test"):
        yield "no healthcheck"


def of_volumes(project, settings):
    for volume in settings.get("volumes", []):
        source = volume.partition(":")[0]
        if source.startswith("."):
            if not (FILE.parent / source).exists():
                yield f"there is no {source}"
        elif source not in project["volumes"]:
            yield f"there is no volume {source}"
    for other in settings.get("depends_on", {}):
        if other not in project["services"]:
            yield f"there is no service {other}"


def of_program(settings, programs):
    program = of_image(programs, settings["image"])
    if program is None:
        return
    yield from program.faults(settings["command"], settings.get("environment", {}))
    _, _, *arguments = at(settings, "healthcheck", "test", default=(None, None))
    if arguments:
        yield from (f"healthcheck: {fault}" for fault in program.faults(arguments, {}))
    target = at(settings, "build", "target")
    stages = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "deploy/Dockerfile").read_text(), re.M)
    if target not in stages:
        yield f"deploy/Dockerfile has no target {target}"


def of_addresses(project, settings):
    values = [*settings.get("command", []), *map(str, settings.get("environment", {}).values())]
    for match in filter(None, map(ADDRESS.search, values)):
        if match[1] not in project["services"]:
            yield f"{match[0]} is no service's"
