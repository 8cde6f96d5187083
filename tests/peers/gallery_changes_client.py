"""Changes the gallery of a running server by Enroll, Remove and Reindex, and looks at what comes of it.

    python gallery_changes_client.py ADDRESS KNOWN_DIR every_call
    python gallery_changes_client.py ADDRESS KNOWN_DIR read_only
    python gallery_changes_client.py ADDRESS KNOWN_DIR flood
    python gallery_changes_client.py ADDRESS KNOWN_DIR agree

ADDRESS is host:port of `recognizer serve --known KNOWN_DIR`, and KNOWN_DIR holds obama.jpg and biden.jpg of
known_people/. The stubs are generated from the proto by protoc, as callers do.

`every_call` prints `ok NAME` or `FAIL NAME: why` a row, then `N passed, N failed`, and leaves the folder as it
was; so does `read_only`, for a server that must not write to KNOWN_DIR. `flood` enrolls photo after photo and
prints the name of each that was answered, until the server is gone. `agree` is one row: the gallery holds the
photos of the folder, and each is whole.
"""

import concurrent.futures
import importlib
import io
import os
import shutil
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import grpc
from grpc_tools import protoc
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
PROTOS = REPOSITORY / "recognizer-server" / "proto"
EXAMPLES = REPOSITORY / "examples"
CALL_SECONDS = 60
NOT_FOUND = "not_found"

Code = grpc.StatusCode


def generate_stubs():
    """The modules of both protos."""
    out = tempfile.mkdtemp(prefix="facerecog-stubs-")
    names = ["facerecog.proto", "facerecog/v1/recognizer.proto"]
    include = files("grpc_tools") / "_proto"
    arguments = [f"-I{PROTOS}", f"-I{include}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(["protoc", *arguments, *names]) != 0:
        raise SystemExit("protoc could not compile the protos")
    sys.path.insert(0, out)
    modules = [
        importlib.import_module(name)
        for name in (
            "facerecog_pb2",
            "facerecog_pb2_grpc",
            "facerecog.v1.recognizer_pb2",
            "facerecog.v1.recognizer_pb2_grpc",
        )
    ]
    shutil.rmtree(out)
    return modules


original, original_stubs, v1, v1_stubs = generate_stubs()


class Failure(Exception):
    """What a row found wrong."""


def check(condition, why):
    if not condition:
        raise Failure(why)


def example(name):
    return (EXAMPLES / name).read_bytes()


def with_comment(jpeg, text):
    """The same picture in other bytes."""
    text = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def encoded(image, extension):
    out = io.BytesIO()
    image.convert("RGB").save(out, extension)
    return out.getvalue()


class Client:
    def __init__(self, address, known):
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self.channel = grpc.insecure_channel(address, options)
        self.v1 = v1_stubs.RecognizerStub(self.channel)
        self.original = original_stubs.IdentifyStub(self.channel)
        self.known = known

    def enroll_patiently(self, *arguments):
        """As a well-behaved caller: a full server is asked again."""
        for _ in range(100):
            try:
                return self.enroll(*arguments)
            except grpc.RpcError as error:
                if error.code() != Code.UNAVAILABLE:
                    raise
            time.sleep(0.1)
        raise Failure("the server is always busy")

    def enroll(self, person, photo, image_name="", allow_unlike=False):
        source = v1.Photo(path=str(photo)) if isinstance(photo, Path) else v1.Photo(content=photo)
        request = v1.EnrollRequest(person=person, image_name=image_name, photo=source, allow_unlike=allow_unlike)
        return self.v1.Enroll(request, timeout=CALL_SECONDS)

    def enrolled(self, *arguments, **options):
        """The name under which the photo was taken."""
        answer = self.enroll(*arguments, **options)
        check(answer.enrolled and not answer.rejections, f"rejected: {answer.rejections}")
        check(answer.generation > 0 and answer.face.score > 0, f"{answer}")
        return answer.image_name

    def rejected(self, *arguments, **options):
        """The codes for which it was not, as people read them."""
        answer = self.enroll(*arguments, **options)
        check(not answer.enrolled and answer.rejections, f"enrolled: {answer.image_name!r}")
        check(all(rejection.message for rejection in answer.rejections), f"no message: {answer.rejections}")
        return [v1.RejectCode.Name(rejection.code).removeprefix("REJECT_CODE_") for rejection in answer.rejections]

    def identify(self, photo):
        with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
            file.write(photo)
            file.flush()
            # The server may be another user's.
            os.chmod(file.name, 0o644)
            request = original.IdentifyRequest(image_path=file.name)
            return self.original.Identify(request, timeout=CALL_SECONDS).image_name

    def remove(self, **target):
        return sorted(self.v1.Remove(v1.RemoveRequest(**target), timeout=CALL_SECONDS).image_names)

    def people(self, **options):
        return self.v1.ListPeople(v1.ListPeopleRequest(**options), timeout=CALL_SECONDS)

    def photos_by_person(self):
        people = self.people(include_photos=True).people
        return {person.name: sorted(photo.image_name for photo in person.photos) for person in people}

    def reindex(self, **options):
        return list(self.v1.Reindex(v1.ReindexRequest(**options), timeout=CALL_SECONDS))

    def files(self):
        """Every file in the known folder, relative to it, but for what a server that was killed left half
        written, which counts as no photo."""
        files = [path for path in self.known.rglob("*") if not path.is_dir()]
        return sorted(str(path.relative_to(self.known)) for path in files if not path.name.startswith(".enrolling-"))


def refusal(code, reason, call):
    """The call is refused, with a reason for programs and a message for people."""
    try:
        answer = call()
    except grpc.RpcError as error:
        check(error.code() == code, f"{error.code().name}, not {code.name}: {error.details()}")
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        check(reason.encode() in details and b"facerecog" in details, f"{details!r} does not say {reason}")
        check(len(error.details()) > 10, f"no reason: {error.details()!r}")
        return error.details()
    raise Failure(f"it was answered: {answer}")


def enrolled_then_recognised_then_removed(client):
    photo = example("astronaut.jpg")
    check(client.identify(photo) == NOT_FOUND, "is known before")
    check(client.enrolled("eileen", photo, "eileen_1.jpg") == "eileen_1.jpg", "another name")
    check((client.known / "eileen" / "eileen_1.jpg").read_bytes() == photo, "the file is not what was sent")
    check(client.identify(photo) == "eileen_1.jpg", "not recognised")
    check(client.photos_by_person()["eileen"] == ["eileen_1.jpg"], "not listed")
    check(client.remove(image_name="eileen_1.jpg") == ["eileen_1.jpg"], "not removed")
    check(client.identify(photo) == NOT_FOUND, "still recognised")
    check(not (client.known / "eileen").exists(), "its folder is left")


def by_path_for_a_person_of_flat_files(client):
    check(client.enrolled("obama", EXAMPLES / "obama2.jpg", "obama_2") == "obama_2.jpg", "no extension")
    check((client.known / "obama" / "obama_2.jpg").read_bytes() == example("obama2.jpg"), "not a copy")
    check((EXAMPLES / "obama2.jpg").exists(), "the photo was taken away")
    check(client.photos_by_person()["obama"] == ["obama.jpg", "obama_2.jpg"], "not one person")
    client.remove(image_name="obama_2.jpg")


def a_name_is_made_of_person_and_content(client):
    photo = example("astronaut.jpg")
    name = client.enrolled("eileen", photo)
    check(name.startswith("eileen-") and name.endswith(".jpg"), f"{name!r}")
    check(client.rejected("eileen", photo) == ["DUPLICATE_NAME"], "the same photo twice")
    png = client.enrolled("eileen", encoded(Image.open(EXAMPLES / "astronaut.jpg"), "png"))
    check(png.endswith(".png"), f"{png!r}")
    check(client.remove(person="eileen") == sorted([name, png]), "not both")


def every_reject_code(client):
    before = client.files()
    astronaut = Image.open(EXAMPLES / "astronaut.jpg")
    check(client.rejected("x", example("coffee.jpg")) == ["NO_FACE"], "no face")
    check("SEVERAL_FACES" in client.rejected("x", example("group.jpg")), "several faces")
    small = encoded(astronaut.resize((300, 300)), "png")
    check(client.rejected("x", small) == ["FACE_TOO_SMALL"], "too small")
    check(client.rejected("x", example("astronaut.jpg"), "obama.jpg") == ["DUPLICATE_NAME"], "duplicate")
    check(client.rejected("obama", example("astronaut.jpg")) == ["UNLIKE_THE_PERSON"], "unlike")
    # A face that is turned further and further is found with less and less confidence.
    turned = (encoded(astronaut.rotate(degrees), "png") for degrees in range(20, 100, 2))
    # None of them is enrolled: the name is taken.
    codes = (client.rejected("x", photo, "obama.jpg") for photo in turned)
    check(any("LOW_DETECTION_SCORE" in code for code in codes), "low detection score")
    check(client.files() == before, "a rejected photo was kept")


def unlike_but_wanted(client):
    photo = example("astronaut.jpg")
    check(client.enrolled("obama", photo, "u.jpg", allow_unlike=True) == "u.jpg", "not enrolled")
    check(client.identify(photo) == "u.jpg", "not recognised")
    client.remove(image_name="u.jpg")


def bad_names(client):
    before = client.files()
    photo = example("astronaut.jpg")
    long = "x" * 201
    for person in ["", ".", "..", ".x", "a/b", "../x", "/x", "a\0b", "a\nb", long]:
        refusal(Code.INVALID_ARGUMENT, "bad_name", lambda person=person: client.enroll(person, photo, "a.jpg"))
    for name in [".", "..", ".jpg", "a/b.jpg", "../a.jpg", "/a.jpg", "a\0.jpg", "a\n.jpg", long]:
        refusal(Code.INVALID_ARGUMENT, "bad_name", lambda name=name: client.enroll("eileen", photo, name))
    check(client.files() == before, "something was written")
    for person in ["赵薇 2", "a.jpg", "-rf", "~", "a\\b", "x" * 200]:
        name = client.enrolled(person, photo, "t_1.jpg")
        check(client.photos_by_person()[person] == [name], f"{person!r} is not known by it")
        client.remove(person=person)
    check(client.files() == before, "something was left")


def bad_photos(client):
    for content, reason in [(b"", "empty_file"), (b"no photo", "unknown_format"), (b"\xff\xd8\xff", "broken_image")]:
        refusal(Code.INVALID_ARGUMENT, reason, lambda content=content: client.enroll("x", content))
    refusal(Code.NOT_FOUND, "", lambda: client.enroll("x", EXAMPLES / "missing.jpg"))
    nothing = v1.EnrollRequest(person="x")
    refusal(Code.INVALID_ARGUMENT, "no_photo", lambda: client.v1.Enroll(nothing, timeout=CALL_SECONDS))


def links_lead_nowhere(client):
    outside = Path(tempfile.mkdtemp(prefix="facerecog-outside-"))
    link = client.known / "eileen"
    link.symlink_to(outside)
    try:
        refusal(Code.FAILED_PRECONDITION, "not_a_real_folder", lambda: client.enroll("eileen", example("astronaut.jpg")))
        check(not any(outside.iterdir()), "a photo went through the link")
        shutil.copyfile(EXAMPLES / "astronaut.jpg", outside / "e.jpg")
        client.reindex()
        check(client.identify(example("astronaut.jpg")) == "e.jpg", "the link is not followed")
        refusal(Code.FAILED_PRECONDITION, "not_a_real_folder", lambda: client.remove(person="eileen"))
        check((outside / "e.jpg").exists(), "a photo outside was deleted")
    finally:
        link.unlink()
        shutil.rmtree(outside)
        client.reindex()


def many_at_once(client):
    """Each is enrolled, and of eight that want one name one is."""
    before = client.files()
    photo = example("astronaut.jpg")

    def enroll(number):
        return client.enroll_patiently(f"person {number}", with_comment(photo, f"{number}"), f"many_{number}.jpg")

    def enroll_as_one(number):
        return client.enroll_patiently(f"person {number}", with_comment(photo, f"{number}"), "one.jpg")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(enroll, range(8)))
        check(all(answer.enrolled for answer in answers), f"{answers}")
        taken = [answer for answer in pool.map(enroll_as_one, range(8)) if answer.enrolled]
    check(len(taken) == 1, f"{len(taken)} photos of one name")
    expected = [f"person {number}/many_{number}.jpg" for number in range(8)]
    added = [file for file in client.files() if file not in before and not file.endswith("/one.jpg")]
    check(added == expected, f"{added}")
    check(len([file for file in client.files() if file.endswith("/one.jpg")]) == 1, f"{client.files()}")
    agree(client)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.remove(person=f"person {number}"), range(8)))
    check(client.files() == before, f"{client.files()}")


def removing(client):
    refusal(Code.NOT_FOUND, "not_known", lambda: client.remove(person="nobody"))
    refusal(Code.NOT_FOUND, "not_known", lambda: client.remove(image_name="nobody.jpg"))
    refusal(Code.NOT_FOUND, "not_known", lambda: client.remove(image_name="../obama.jpg"))
    refusal(Code.INVALID_ARGUMENT, "no_target", lambda: client.remove())
    # A person's photos that are not in the gallery go with the others: one without a face, one whose name
    # another has, and a text that is no photo stays.
    folder = client.known / "eileen"
    folder.mkdir()
    (folder / "e.jpg").write_bytes(example("astronaut.jpg"))
    (folder / "cup.jpg").write_bytes(example("coffee.jpg"))
    (folder / "obama.jpg").write_bytes(example("obama2.jpg"))
    (folder / "notes.txt").write_text("not a photo")
    client.reindex()
    # In eileen/ it comes before the one outside.
    check(client.photos_by_person()["eileen"] == ["e.jpg", "obama.jpg"], f"{client.photos_by_person()}")
    check(client.remove(person="eileen") == ["cup.jpg", "e.jpg", "obama.jpg"], "not all")
    check(sorted(os.listdir(folder)) == ["notes.txt"], f"{os.listdir(folder)}")
    check(client.photos_by_person()["obama"] == ["obama.jpg"], "another person's photo is gone")
    shutil.rmtree(folder)

    (client.known / "zoe").mkdir()
    (client.known / "zoe" / "obama.jpg").write_bytes(example("obama2.jpg"))
    (client.known / "zoe" / "z.jpg").write_bytes(example("astronaut.jpg"))
    client.reindex()
    check(client.photos_by_person()["zoe"] == ["z.jpg"], f"{client.photos_by_person()}")
    check(client.remove(person="zoe") == ["obama.jpg", "z.jpg"], "the hidden one is left")
    check(client.identify(example("obama3.jpg")) == "obama.jpg", "the wrong one of two is gone")


def paging(client):
    names, token, pages = [], "", 0
    while True:
        page = client.people(page_size=1, page_token=token)
        check(page.total == 2 and page.generation > 0, f"{page}")
        check(len(page.people) == 1 and not page.people[0].photos, f"{page}")
        check(page.people[0].photo_count == 1, f"{page}")
        names += [person.name for person in page.people]
        token, pages = page.next_page_token, pages + 1
        if not token:
            break
    check((names, pages) == (["biden", "obama"], 2), f"{names}")
    check(not client.people(page_size=4_000_000_000).next_page_token, "a page of all has a next one")
    refusal(Code.INVALID_ARGUMENT, "bad_page_token", lambda: client.people(page_token="obama"))
    # The token is of a name, not of a place: it holds when people come and go.
    token = client.people(page_size=1).next_page_token
    client.enrolled("aaron", example("astronaut.jpg"))
    check([person.name for person in client.people(page_token=token).people] == ["obama"], "obama is not next")
    client.remove(person="aaron")
    photo = client.people(include_photos=True).people[1].photos[0]
    check(photo.image_name == "obama.jpg" and photo.score > 0.9 and 0 < photo.quality <= 1, f"{photo}")


def reindexing(client):
    events = client.reindex(full=True)
    kinds = [event.WhichOneof("event") for event in events]
    check(kinds[-1] == "report" and set(kinds[:-1]) <= {"progress"}, f"{kinds}")
    done = [event.progress.done for event in events[:-1]]
    check(done == sorted(set(done)), f"the progress goes back: {done}")
    check(all(event.progress.total == 2 for event in events[:-1]) and max(done, default=2) <= 2, f"{events}")
    report = events[-1].report
    check((report.photos, report.embedded, report.unchanged) == (2, 2, 0), f"{report}")
    check(report.people == 2 and report.embeddings == 2, f"{report}")
    (client.known / "cup.jpg").write_bytes(example("coffee.jpg"))
    try:
        planned = client.reindex(dry_run=True)[-1].report
        check((planned.added, planned.embedded) == (1, 0), f"{planned}")
        check(planned.generation == report.generation, "a dry run has made a generation")
        report = client.reindex()[-1].report
        check([(note.photo, note.code) for note in report.skipped] == [("cup.jpg", "no_face")], f"{report}")
        check(client.rejected("eileen", example("astronaut.jpg"), "cup.jpg") == ["DUPLICATE_NAME"], "taken")
        check(client.remove(image_name="cup.jpg") == ["cup.jpg"], "what is known not to be fit is not removed")
    finally:
        (client.known / "cup.jpg").unlink(missing_ok=True)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        reports = [events[-1].report for events in pool.map(lambda _: client.reindex(), range(8))]
    check(all((report.photos, report.embedded) == (2, 0) for report in reports), f"{reports}")


def without_the_folder(client):
    """As when its volume is unmounted: nobody is forgotten, and nothing is made in its place."""
    aside = client.known.with_name("aside")
    client.known.rename(aside)
    try:
        refusal(Code.FAILED_PRECONDITION, "no_known_folder", lambda: client.enroll("x", example("astronaut.jpg")))
        refusal(Code.FAILED_PRECONDITION, "no_known_folder", client.reindex)
        check(client.identify(example("obama2.jpg")) == "obama.jpg", "who is in the index is not known")
        check(not client.known.exists(), "a folder was made")
    finally:
        aside.rename(client.known)
    client.reindex()


def as_it_was(client):
    check(client.files() == ["biden.jpg", "obama.jpg"], f"{client.files()}")
    agree(client)


def agree(client):
    """The gallery holds the photos of the folder, and each is whole."""
    names = sorted(Path(file).name for file in client.files())
    listed = sorted(name for photos in client.photos_by_person().values() for name in photos)
    check(names == listed, f"the folder holds {names}, the gallery {listed}")
    for file in client.files():
        Image.open(client.known / file).load()


def read_only(client):
    photo = example("astronaut.jpg")
    refusal(Code.FAILED_PRECONDITION, "known_folder_not_writable", lambda: client.enroll("eileen", photo))
    refusal(Code.FAILED_PRECONDITION, "known_folder_not_writable", lambda: client.remove(person="obama"))
    check(client.identify(example("obama2.jpg")) == "obama.jpg", "who is in the folder is not known")
    check(client.reindex()[-1].report.photos == 2, "cannot be read")
    as_it_was(client)


def flood(client):
    photo = example("astronaut.jpg")
    number = 0
    while True:
        try:
            name = client.enrolled("eileen", with_comment(photo, f"{number}"), f"flood_{number}.jpg")
        except grpc.RpcError as error:
            print(error.code().name, flush=True)
            return
        print(name, flush=True)
        number += 1


ROWS = {
    "every_call": [
        enrolled_then_recognised_then_removed,
        by_path_for_a_person_of_flat_files,
        a_name_is_made_of_person_and_content,
        every_reject_code,
        unlike_but_wanted,
        bad_names,
        bad_photos,
        links_lead_nowhere,
        many_at_once,
        removing,
        paging,
        reindexing,
        without_the_folder,
        as_it_was,
    ],
    "read_only": [read_only],
    "agree": [agree],
}


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    address, known, what = sys.argv[1], Path(sys.argv[2]).resolve(), sys.argv[3]
    client = Client(address, known)
    if what == "flood":
        return flood(client)
    failed = 0
    for row in ROWS[what]:
        try:
            row(client)
            print(f"ok   {row.__name__}", flush=True)
        except (Failure, OSError, grpc.RpcError) as error:
            failed += 1
            print(f"FAIL {row.__name__}: {error}", flush=True)
    print(f"{len(ROWS[what]) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
