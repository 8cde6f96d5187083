"""Checks what is in deploy/: the rendered manifests against the schemas of Kubernetes and our own rules, commands,
flags and variables against the programs. Then spoils one thing after another, to see that each is found.

check.py --kustomize FILE --compose FILE --recognizer FILE --pipeline FILE
"""

import argparse
import sys

import availability
import compose
import connections
import manifests
import mutations
import photos
import policy
import programs
import references
import schema


def main():
    parser = argparse.ArgumentParser()
    for option in ("kustomize", "compose", "recognizer", "pipeline"):
        parser.add_argument(f"--{option}", required=True)
    asked = parser.parse_args()
    known = programs.find({"facerecog/recognizer": asked.recognizer, "facerecog/pipeline": asked.pipeline})

    problems = []
    for folder in manifests.overlays():
        documents = manifests.render(asked.kustomize, folder)
        problems += check(folder.name, documents, known)
    problems += check_compose(asked.compose, known)
    for problem in problems:
        print(f"wrong: {problem}")
    sys.exit(bool(problems))


def check(overlay, documents, known):
    def ours(documents):
        yield from policy.faults(documents)
        yield from references.faults(documents, overlay)
        yield from connections.faults(documents)
        yield from availability.faults(documents)
        yield from photos.faults(documents)

    def theirs(spoiled):
        return schema.faults([after for before, after in zip(documents, spoiled) if before != after], ["1.31"])

    def of_programs(documents):
        return programs.faults(documents, known)

    found = [*schema.faults(documents), *ours(documents), *of_programs(documents)]
    spoiled = [(mutation, ours, theirs) for mutation in mutations.of_manifests(documents)]
    spoiled += [(mutation, of_programs) for mutation in mutations.of_programs(documents, known)]
    unseen = list(unnoticed(spoiled, set(found)))
    print(f"{overlay}: {len(documents)} objects of Kubernetes {' and '.join(schema.VERSIONS)}, "
          f"{len(spoiled) - len(unseen)} spoiled ones refused")
    return [f"{overlay}: {fault}" for fault in [*found, *unseen]]


def check_compose(loader, known):
    def ours(project):
        yield from compose.faults(project, known)
        yield from photos.of_compose(project)

    def theirs(project):
        return compose.form(project, loader)

    project = compose.load()
    found = [*theirs(project), *ours(project)]
    spoiled = [(mutation, ours, theirs) for mutation in mutations.of_compose(project)]
    unseen = list(unnoticed(spoiled, set(found)))
    print(f"compose.yaml: {len(project['services'])} services, {len(spoiled) - len(unseen)} spoiled ones refused")
    return [f"compose.yaml: {fault}" for fault in [*found, *unseen]]


def unnoticed(spoiled, known):
    """Mutations that no rule finds: a fault that was not there before must name whose it is."""
    for (what, whose, copy), *rules in spoiled:
        if not any(whose in fault and fault not in known for rule in rules for fault in rule(copy)):
            yield f"not noticed: {what}"


if __name__ == "__main__":
    main()
