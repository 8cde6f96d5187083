"""Whether Kubernetes would take the manifests: the schemas of its own API, without fields that it has not."""

import kubernetes_validate

from manifests import name

# The oldest that the manifests are for, and the newest that the validator knows.
VERSIONS = ("1.31", "1.35")


def faults(documents, versions=VERSIONS):
    for version in versions:
        for document in documents:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = ".".join(str(step) for step in error.path)
                yield f"{name(document)}: not of Kubernetes {version}: {place}: {error.message}"
            except kubernetes_validate.SchemaNotFoundError as error:
                yield f"{name(document)}: {error.message}"
