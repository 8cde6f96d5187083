"""Whether photos that are sent reach those that need them: who stores them may write where it is told to, and whoever
reads them mounts the same storage at the same path."""

from manifests import containers, name, template, workloads

# Which service is told by which variable where it stores photos.
STORES = {"receiver": "RECEIVER_UPLOAD_FOLDER", "frontend": "FRONTEND_UPLOAD_FOLDER"}
# Which service is told by which variable where it may read them.
READS = {"serve": "FACERECOG_IMAGE_ROOTS", "frontend": "FRONTEND_PHOTO_ROOTS"}


def faults(documents):
    return check([of_container(workload, container) for workload in workloads(documents)
                  for container in containers(workload)])


def of_compose(project):
    return check([of_service(service, settings) for service, settings in project["services"].items()])


def check(parts):
    """A part has its place, the service that it is, its variables, and its mounts: path → (storage, writable)."""
    stored = {}
    for place, service, variables, mounts in parts:
        if service not in STORES:
            continue
        folder = variables.get(STORES[service])
        if folder is None:
            yield f"{place}: no {STORES[service]}: it takes no photos"
        elif folder not in mounts:
            yield f"{place}: nothing is mounted at {folder}, where it stores photos"
        elif not mounts[folder][1]:
            yield f"{place}: {folder}, where it stores photos, is mounted read-only"
        else:
            stored[folder] = mounts[folder][0]
    for place, service, variables, mounts in parts:
        if service not in READS:
            continue
        for folder, storage in stored.items():
            if folder not in variables.get(READS[service], "").split(":"):
                yield f"{place}: {READS[service]} does not name {folder}, where photos are stored"
            elif mounts.get(folder, (None,))[0] != storage:
                yield f"{place}: at {folder} it does not mount {storage}, where photos are stored"


def of_container(workload, container):
    claims = {volume["name"]: volume.get("persistentVolumeClaim", {}).get("claimName")
              for volume in template(workload)["spec"].get("volumes", [])}
    variables = {variable["name"]: str(variable.get("value", "")) for variable in container.get("env", [])}
    mounts = {mount["mountPath"]: (claims.get(mount["name"]), not mount.get("readOnly"))
              for mount in container.get("volumeMounts", [])}
    ours = container["image"].startswith("facerecog/")
    return f"{name(workload)}, {container['name']}", ours and container.get("args", [None])[0], variables, mounts


def of_service(service, settings):
    mounts = {}
    for volume in settings.get("volumes", []):
        storage, path, *options = volume.split(":")
        mounts[path] = (storage, "ro" not in options)
    ours = settings["image"].startswith("facerecog/")
    return f"service {service}", ours and settings["command"][0], settings.get("environment", {}), mounts
