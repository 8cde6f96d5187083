"""Whether our programs know the commands, flags and variables that the manifests give them."""

import functools
import json
import os
import re
import subprocess

from manifests import at, containers, name, template, workloads

# Variables that libraries read, which no help tells of.
OF_LIBRARIES = {"RUST_LOG", "RUST_BACKTRACE"}


class Program:
    """A binary, asked for its help."""

    def __init__(self, path):
        self.path = os.path.abspath(path)

    @functools.cache
    def help(self, commands):
        """The help of a command; none when there is no such command."""
        asked = subprocess.run([self.path, *commands, "--help"], capture_output=True, text=True, env={})
        return asked.stdout if asked.returncode == 0 else None

    @functools.cache
    def commands(self, commands):
        """The commands below a command."""
        section = re.search(r"^Commands:\n((?:  .*\n|\n(?=  ))+)", self.help(commands) or "", re.M)
        return set(re.findall(r"^  ([a-z][\w-]*)", section.group(1), re.M)) if section else set()

    def flags(self, commands):
        told = self.help(commands)
        return set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", told, re.M)) | set(re.findall(r"alias: (--[\w-]+)", told))

    def variables(self, commands):
        return set(re.findall(r"\[env:\s+(\w+)", self.help(commands)))

    def split(self, arguments):
        """The commands that arguments begin with, and the rest."""
        commands = ()
        while len(commands) < len(arguments) and arguments[len(commands)] in self.commands(commands):
            commands += (arguments[len(commands)],)
        return commands, arguments[len(commands):]

    def faults(self, arguments, variables):
        """What the program does not know of a command line and of the environment."""
        commands, rest = self.split([str(argument) for argument in arguments])
        if self.commands(commands):
            yield f"{' '.join(arguments)!r} is no command"
            return
        takes_values = re.search(r"^Usage:.*[<\[](?!OPTIONS)[A-Z]", self.help(commands), re.M)
        known = self.flags(commands)
        after_flag = False
        for argument in rest:
            if argument.startswith("-"):
                flag = argument.partition("=")[0]
                if flag not in known:
                    yield f"`{' '.join(commands)}` has no flag {flag}"
                after_flag = "=" not in argument
            elif not after_flag and not takes_values:
                yield f"`{' '.join(commands)}` takes no {argument!r}"
            else:
                after_flag = False
        for variable in variables.keys() - self.variables(commands) - OF_LIBRARIES:
            yield f"`{' '.join(commands)}` reads no variable {variable}"

    def settings(self, arguments, variables):
        """What `recognizer serve` would run with; a fault when it would not run."""
        asked = subprocess.run(
            [self.path, "config", "--json", *arguments], capture_output=True, text=True, env=dict(variables), cwd="/",
        )
        return json.loads(asked.stdout) if asked.returncode == 0 else asked.stderr.strip()


def find(paths):
    """Our programs, by the names of their images."""
    missing = [path for path in paths.values() if not os.path.exists(path)]
    for path in missing:
        print(f"skipped: flags and variables of {path}, which is not there")
    return {image: Program(path) for image, path in paths.items() if path not in missing}


def of_image(programs, image):
    return programs.get(image.partition(":")[0].removeprefix("docker.io/"))


def faults(documents, programs):
    for workload in workloads(documents):
        for container in containers(workload):
            program = of_image(programs, container["image"])
            if program is None:
                continue
            place = f"{name(workload)}, {container['name']}"
            variables = {variable["name"]: str(variable.get("value", "")) for variable in container.get("env", [])}
            if "command" in container:
                yield f"{place}: command replaces the image's own program"
            arguments = container.get("args", [])
            yield from (f"{place}: {fault}" for fault in program.faults(arguments, variables))
            if arguments[:1] == ["serve"]:
                yield from (f"{place}: {fault}" for fault in of_server(program, container, workload, variables))


def of_server(program, container, workload, variables):
    settings = program.settings(container["args"][1:], variables)
    if isinstance(settings, str):
        yield settings
        return
    ends_after = settings["drain_delay_seconds"] + settings["grace_seconds"]
    killed_after = at(template(workload), "spec", "terminationGracePeriodSeconds", default=30)
    if killed_after <= ends_after:
        yield f"killed after {killed_after} s, before its {ends_after} s of drain and grace have passed"
    listens = settings["address"].rpartition(":")[2]
    if listens not in {str(port["containerPort"]) for port in container["ports"]}:
        yield f"listens on port {listens}, which is not declared"
