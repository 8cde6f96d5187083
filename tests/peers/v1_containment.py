"""Tries every way out of the folders that photos may be read from.

    python v1_containment.py build TREE
    python v1_containment.py ask TREE ADDRESS

`build` makes a folder with two allowed ones, TREE/roots and TREE/more, one that is not, TREE/outside,
and links between them. `ask` asks a server started with `--image-root` for both. Photos inside are
40 pixels wide and those outside 60: an answer that comes from outside would tell.

Prints `ok NAME` or `FAIL NAME: why` a row, then `N passed, N failed`; exit status 1 when one failed.
"""

import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from v1_stubs import Client, Code, Refusal, Row, at, check, messages, run_rows

INSIDE, OUTSIDE = 40, 60
# Requests made while a link is swapped, at least this many of each answer.
SWAPPED = 500


def build(tree):
    for folder in ("roots/sub", "more", "outside", "roots-evil"):
        (tree / folder).mkdir(parents=True)

    def photo(name, width):
        Image.new("RGB", (width, 50), (120, 90, 60)).save(tree / name)

    for name in ("roots/a.png", "roots/sub/b.png", "more/c.png"):
        photo(name, INSIDE)
    for name in ("outside/secret.png", "roots-evil/secret.png"):
        photo(name, OUTSIDE)

    def link(name, target):
        (tree / "roots" / name).symlink_to(target)

    link("link", "../outside/secret.png")
    link("absolute_link", tree / "outside" / "secret.png")
    link("folder_link", tree / "outside")
    link("chain", "sub/chain")
    link("sub/chain", "../link")
    link("dangling_out", "../outside/missing.png")
    link("dangling", "missing.png")
    link("loop", "loop")
    link("proc_root", "/proc/self/root")
    link("proc_cwd", "/proc/self/cwd")
    link("stdin", "/dev/stdin")
    link("zero", "/dev/zero")
    link("good", "sub/b.png")
    link("good_absolute", tree / "roots" / "a.png")
    link("good_between", tree / "more" / "c.png")
    link("good_folder", "sub")
    os.mkfifo(tree / "roots" / "fifo")


@dataclass
class Setting:
    tree: Path
    address: str
    client: Client

    def ask(self, path):
        """A path below the tree, or a whole one; joined as text, so that every slash arrives."""
        text = str(path)
        return self.client.recognize(at(text if text.startswith("/") else f"{self.tree}/{text}"))


def is_outside(setting, path):
    answer = setting.ask(path)
    check(isinstance(answer, Refusal), f"{path} is answered: {getattr(answer, 'width', '')} pixels wide")
    check((answer.code, answer.reason) == (Code.PERMISSION_DENIED, "outside_roots"), f"{path}: {answer}")
    return answer


def outside(*paths):
    def run(setting):
        for path in paths:
            is_outside(setting, path)

    return run


def inside(*paths):
    def run(setting):
        for path in paths:
            answer = setting.ask(path)
            check(not isinstance(answer, Refusal), f"{path}: {answer}")
            check(answer.width == INSIDE, f"{path}: {answer.width} pixels wide")

    return run


def refused(code, reason, *paths):
    def run(setting):
        for path in paths:
            answer = setting.ask(path)
            check(isinstance(answer, Refusal), f"{path} is answered")
            check((answer.code, answer.reason) == (code, reason), f"{path}: {answer}")

    return run


def by_descriptor(setting):
    """Those of the server: its log, its sockets, the allowed folders. And ours, by the path to them."""
    reasons = set()
    for number in range(30):
        answer = setting.ask(f"/proc/self/fd/{number}")
        check(isinstance(answer, Refusal), f"descriptor {number} is answered")
        reasons.add(answer.reason)
    check(reasons == {"outside_roots", "not_a_file"}, f"{reasons}")
    with open(setting.tree / "outside" / "secret.png", "rb") as secret:
        is_outside(setting, f"/proc/{os.getpid()}/fd/{secret.fileno()}")
    is_outside(setting, f"/proc/self/root{setting.tree}/outside/secret.png")


def tells_nothing(setting):
    """What is there and what is not get the same words."""
    pairs = [
        ("outside/secret.png", "outside/missing.png"),
        ("roots/../outside/secret.png", "roots/../outside/missing.png"),
        ("roots/folder_link/secret.png", "roots/folder_link/missing.png"),
        ("roots/link", "roots/dangling_out"),
        ("roots/proc_root/etc/passwd", "roots/proc_root/etc/no-such-file"),
        ("/etc/passwd", "/etc/passwd/inside"),
        ("/root", "/no-such-folder/at/all"),
    ]
    for there, missing in pairs:
        words = [is_outside(setting, path).message.rsplit(": ", 1)[1] for path in (there, missing)]
        check(words[0] == words[1], f"{there}: {words}")


def by_content(setting):
    photo = messages.Photo(content=(setting.tree / "outside" / "secret.png").read_bytes())
    answer = setting.client.recognize(photo)
    check(not isinstance(answer, Refusal) and answer.width == OUTSIDE, f"{answer}")


def swapped(setting):
    """A link that leads inside and outside by turns, while it is asked for by several at once."""
    link, spare = setting.tree / "roots" / "swapped", setting.tree / "roots" / "spare"
    link.symlink_to("a.png")
    done = threading.Event()

    def swap():
        while not done.is_set():
            for target in ("../outside/secret.png", "a.png"):
                spare.symlink_to(target)
                spare.replace(link)

    counts = {"inside": 0, "refused": 0}
    wrong = []

    def ask():
        client = Client(setting.address)
        while min(counts.values()) < SWAPPED and not wrong:
            answer = client.recognize(at(link))
            if not isinstance(answer, Refusal):
                counts["inside"] += 1
                if answer.width != INSIDE:
                    wrong.append(f"{answer.width} pixels wide")
            elif answer.code == Code.PERMISSION_DENIED:
                counts["refused"] += 1
            elif answer.code != Code.UNAVAILABLE:
                wrong.append(str(answer))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    swapper = threading.Thread(target=swap)
    for thread in [swapper, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    swapper.join()
    link.unlink()
    check(not wrong, f"{wrong[:3]} among {counts}")


ROWS = [
    Row("inside", inside("roots/a.png", "roots/sub/b.png", "more/c.png")),
    Row("links that stay inside", inside("roots/good", "roots/good_absolute", "roots/good_folder/b.png")),
    Row("a link from one folder to the other", inside("roots/good_between")),
    Row("., //, .. inside", inside("roots/./a.png", "roots//sub///b.png", "roots/sub/../a.png", "outside/../more/c.png")),
    Row("another folder", outside("outside/secret.png", "/etc/passwd", "/")),
    Row("..", outside("roots/../outside/secret.png", "roots/sub/../../outside/secret.png", "roots/..")),
    Row(".. beyond the root of the file system", outside("roots/" + "../" * 50 + "etc/passwd")),
    Row("double slashes and .", outside("roots//..//outside//secret.png", "roots/./.././outside/secret.png")),
    Row("a folder that begins with an allowed one's name", outside("roots-evil/secret.png")),
    Row("link to a file", outside("roots/link", "roots/absolute_link")),
    Row("link to a folder", outside("roots/folder_link/secret.png", "roots/folder_link", "roots/folder_link/")),
    Row("chain of links", outside("roots/chain")),
    Row("through a link and back up", outside("roots/folder_link/../outside/secret.png")),
    Row("/proc/self/root", outside("/proc/self/root/etc/passwd", "roots/proc_root/etc/passwd")),
    Row("/proc/self/cwd", outside("/proc/self/cwd/Cargo.toml", "roots/proc_cwd/Cargo.toml")),
    Row("/proc/self/fd", by_descriptor),
    Row("/proc/self", outside("/proc/self/environ", "/proc/self/maps", "/proc/self/exe", "/proc/self/mem")),
    Row("devices", outside("/dev/stdin", "/dev/zero", "/dev/fd/0", "roots/stdin", "roots/zero")),
    Row("what is outside is not told", tells_nothing),
    Row("missing", refused(Code.NOT_FOUND, "not_found", "roots/missing.png", "roots/dangling", "roots/loop")),
    Row("trailing slash", refused(Code.NOT_FOUND, "not_found", "roots/a.png/", "roots/good/")),
    Row("no file", refused(Code.INVALID_ARGUMENT, "not_a_file", "roots", "roots/", "roots/sub", "roots/fifo")),
    Row("NUL", refused(Code.INVALID_ARGUMENT, "bad_path", "roots/a.png\0", "outside/secret.png\0.png")),
    Row("a name that is too long", refused(Code.NOT_FOUND, "not_found", "roots/" + "a" * 300)),
    Row("a path that is too long", refused(Code.NOT_FOUND, "not_found", "outside/" + "./" * 3000 + "secret.png")),
    Row("a link swapped all the time", swapped),
    Row("by content, photos come from anywhere", by_content),
]


def main():
    match sys.argv[1:]:
        case ["build", tree]:
            build(Path(tree))
        case ["ask", tree, address]:
            run_rows(ROWS, Setting(Path(tree), address, Client(address)))
        case _:
            raise SystemExit("usage: v1_containment.py build TREE | ask TREE ADDRESS")


if __name__ == "__main__":
    main()
