"""Asks a running server the calls of facerecog.v1 that recognise photos.

    python v1_client.py ADDRESS FIXTURE_DIR

ADDRESS is host:port of `recognizer serve` started with KNOWN_PEOPLE=FIXTURE_DIR/known, the folder
that contract_fixture.py built; server and client see the same files under the same paths.

Prints `ok NAME` or `FAIL NAME: why` a row, then `N passed, N failed`; exit status 1 when one failed.
"""

import math
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc
from PIL import Image, ImageOps
from v1_stubs import (
    CALL_SECONDS,
    Client,
    Code,
    Failure,
    Refusal,
    Row,
    at,
    check,
    content,
    messages,
    original_messages,
    refusal,
    run_rows,
)

# Everybody's probe, and the known photo that it is like.
KNOWN = {
    "face.jpg": "H.JPG",
    "rose_probe.jpg": "h.Png",
    "kit_probe.jpeg": ".jpg",
    "madonna_probe.jpg": "portrait.jpg",
}
# What is wrong with a photo: its status and its reason for programs.
BAD = {
    "missing.jpg": (Code.NOT_FOUND, "not_found"),
    "dangling.jpg": (Code.NOT_FOUND, "not_found"),
    "folder.jpg": (Code.INVALID_ARGUMENT, "not_a_file"),
    "fifo.jpg": (Code.INVALID_ARGUMENT, "not_a_file"),
    "text.jpg": (Code.INVALID_ARGUMENT, "unknown_format"),
    "zero_bytes.jpg": (Code.INVALID_ARGUMENT, "empty_file"),
    "400_megapixels.png": (Code.INVALID_ARGUMENT, "too_many_pixels"),
}


@dataclass
class Setting:
    client: Client
    fixture: Path

    def probe(self, name):
        return self.fixture / "probes" / name

    def recognize(self, name, **options):
        """The answer to a photo by its path, which must be one."""
        response = self.client.recognize(at(self.probe(name)), **options)
        check(not isinstance(response, Refusal), f"{name}: {response}")
        return response


def names(response):
    return [[match.image_name for match in face.matches] for face in response.faces]


def near(a, b, within=1e-5):
    return math.isclose(a, b, rel_tol=within, abs_tol=within)


def refused(answer, code, reason, of=""):
    check(isinstance(answer, Refusal), f"{of}: answered")
    check((answer.code, answer.reason) == (code, reason), f"{of}: {answer}, not {code.name} {reason}")
    check(answer.domain == "facerecog", f"{of}: domain {answer.domain!r}")
    check(len(answer.message) > 5, f"{of}: no message")


def one_known_face(setting):
    for probe, image_name in KNOWN.items():
        response = setting.recognize(probe)
        with Image.open(setting.probe(probe)) as photo:
            size = ImageOps.exif_transpose(photo).size
        check((response.width, response.height) == size, f"{probe}: {response.width}×{response.height}, not {size}")
        check(names(response) == [[image_name]], f"{probe}: {names(response)}")
        face = response.faces[0]
        match, found = face.matches[0], face.face
        check(match.distance < setting.client.info().threshold, f"{probe}: {match}")
        check(near(match.similarity, 1 - match.distance**2 / 2), f"{probe}: {match}")
        check(0.5 < match.probability <= 1, f"{probe}: {match}")
        check(0 < found.quality <= found.score <= 1, f"{probe}: {found}")
        check(len(found.landmarks) == 5 and not face.embedding, f"{probe}: {face}")
        box = found.bounding_box
        for point in found.landmarks:
            inside = box.x <= point.x <= box.x + box.width and box.y <= point.y <= box.y + box.height
            check(inside, f"{probe}: {point} outside {box}")
        left, right, nose, mouth_left, mouth_right = found.landmarks
        check(left.x < right.x and mouth_left.x < mouth_right.x, f"{probe}: sides")
        check(left.y < nose.y < mouth_left.y, f"{probe}: order")


def people_are_named(setting):
    match = setting.recognize("madonna_probe.jpg").faces[0].matches[0]
    check(match.person == "madonna", f"{match.person!r}, not the folder's name")
    match = setting.recognize("hannibal_2_again.jpg").faces[0].matches[0]
    check((match.person, match.image_name) == ("hannibal", "hannibal_2.jpg"), f"{match}")


def content_as_path(setting):
    for probe in [*KNOWN, "nobody.png", "cup.png", "exif_6.jpg", "two_known.jpg"]:
        by_content = setting.client.recognize(content(setting.probe(probe)))
        check(by_content == setting.recognize(probe), f"{probe}: another answer by content")


def every_face(setting):
    response = setting.recognize("two_known.jpg")
    check(sorted(names(response)) == [["H.JPG"], ["hannibal.jpg.bak"]], f"{names(response)}")
    boxes = [face.face.bounding_box for face in response.faces]
    areas = [box.width * box.height for box in boxes]
    check(areas == sorted(areas, reverse=True), f"not the largest first: {areas}")
    check(names(setting.recognize("unknown_and_known.jpg")).count(["H.JPG"]) == 1, "the known one is missing")


def nobody_and_nothing(setting):
    check(names(setting.recognize("nobody.png")) == [[]], "a face without matches")
    response = setting.recognize("cup.png")
    check(not response.faces and response.width > 0, "no face")


def several_matches(setting):
    response = setting.recognize("face.jpg", top_k=100, min_similarity=-1)
    matches = response.faces[0].matches
    people = [match.person for match in matches]
    check(len(people) == len(set(people)) == setting.client.info().people, f"not everybody once: {people}")
    distances = [match.distance for match in matches]
    check(distances == sorted(distances), f"not the nearest first: {distances}")
    check(matches[0].image_name == "H.JPG", f"{matches[0]}")
    three = setting.recognize("face.jpg", top_k=3, min_similarity=-1).faces[0].matches
    check(list(three) == list(matches[:3]), "the first three are others")
    check(names(setting.recognize("face.jpg", top_k=100)) == [["H.JPG"]], "the threshold does not hold for top_k")


def least_similarity(setting):
    nearest = setting.recognize("nobody.png", min_similarity=-1).faces[0].matches[0]
    for least, count in ((nearest.similarity - 1e-4, 1), (nearest.similarity + 1e-4, 0)):
        faces = setting.recognize("nobody.png", min_similarity=least).faces
        check(len(faces[0].matches) == count, f"{least}: {len(faces[0].matches)} matches")
    check(names(setting.recognize("face.jpg", min_similarity=1)) == [[]], "similar as can be")


def least_face(setting):
    box = setting.recognize("face.jpg").faces[0].face.bounding_box
    side = max(box.width, box.height)
    check(len(setting.recognize("face.jpg", min_face=side * 0.8).faces) == 1, "a smaller limit")
    check(len(setting.recognize("face.jpg", min_face=side * 1.3).faces) == 0, "a larger limit")
    check(len(setting.recognize("face.jpg", min_face=3e38).faces) == 0, "the largest limit")
    small = setting.recognize("face.jpg", min_face=1)
    check(small == setting.recognize("face.jpg"), "less than the server's has an effect")


def embeddings(setting):
    first = setting.recognize("face.jpg", include_embeddings=True).faces[0].embedding
    second = setting.recognize("rose_probe.jpg", include_embeddings=True).faces[0].embedding
    check(len(first) == len(second) == setting.client.info().dimensions, f"{len(first)} numbers")
    distance = math.dist(first, second)
    response = verify(setting, "face.jpg", "rose_probe.jpg")
    check(near(distance, response.distance, 1e-4), f"{distance}, but Verify says {response.distance}")


def photos_that_are_none(setting):
    for name, (code, reason) in BAD.items():
        answer = setting.client.recognize(at(setting.probe(name)))
        refused(answer, code, reason, name)
        check(name in answer.message, f"{name}: {answer} does not name it")
    for name in ("text.jpg", "zero_bytes.jpg", "400_megapixels.png"):
        refused(setting.client.recognize(content(setting.probe(name))), *BAD[name], name)
    refused(setting.client.recognize(at("/tmp/a\0b.jpg")), Code.INVALID_ARGUMENT, "bad_path")
    long = setting.client.recognize(at("/tmp/" + "ü/" * 4000))
    refused(long, Code.NOT_FOUND, "not_found")


def questions_that_are_none(setting):
    photo = at(setting.probe("face.jpg"))
    refused(setting.client.recognize(None), Code.INVALID_ARGUMENT, "no_photo")
    refused(setting.client.recognize(messages.Photo()), Code.INVALID_ARGUMENT, "no_photo")
    refused(setting.client.recognize(at("")), Code.INVALID_ARGUMENT, "bad_path")
    for options in (
        {"top_k": 101},
        {"min_face": -1},
        {"min_face": math.nan},
        {"min_similarity": 1.5},
        {"min_similarity": math.nan},
    ):
        refused(setting.client.recognize(photo, **options), Code.INVALID_ARGUMENT, "bad_option", str(options))


def verify(setting, first, second):
    photos = [messages.Photo() if name is None else at(setting.probe(name)) for name in (first, second)]
    return setting.client.ask("Verify", messages.VerifyRequest(first=photos[0], second=photos[1]))


def same_and_other(setting):
    threshold = setting.client.info().threshold
    for first, second, same in (
        ("face.jpg", "face.png", True),
        ("face.jpg", "exif_3.jpg", True),
        ("face.jpg", "rose_probe.jpg", False),
        ("kit_probe.jpeg", "madonna_probe.jpg", False),
    ):
        response = verify(setting, first, second)
        check(not isinstance(response, Refusal), f"{first}, {second}: {response}")
        check(response.same is same, f"{first}, {second}: same is {response.same}")
        check(same == (response.distance < response.threshold), f"{response}")
        check(response.threshold == threshold, f"{response.threshold}")
        check(near(response.similarity, 1 - response.distance**2 / 2), f"{response}")
        check((response.probability > 0.5) == same, f"{response}")
        check(response.first == setting.recognize(first).faces[0].face, f"{first}: another face")
        check(response.second == setting.recognize(second).faces[0].face, f"{second}: another face")


def no_face_is_not_the_same(setting):
    response = verify(setting, "face.jpg", "cup.png")
    check(not response.same and response.HasField("first") and not response.HasField("second"), f"{response}")
    check((response.distance, response.probability) == (0, 0), f"{response}")
    both = verify(setting, "cup.png", "cat.png")
    check(not both.same and not both.HasField("first"), f"{both}")


def the_wrong_one_of_two_is_named(setting):
    for first, second, which in (("missing.jpg", "face.jpg", "first"), ("face.jpg", "missing.jpg", "second")):
        answer = verify(setting, first, second)
        refused(answer, Code.NOT_FOUND, "not_found")
        check(answer.message.startswith(f"{which} photo: "), f"{answer}")
    answer = verify(setting, "face.jpg", None)
    refused(answer, Code.INVALID_ARGUMENT, "no_photo")
    check(answer.message.startswith("second photo: "), f"{answer}")


def what_runs_here(setting):
    info = setting.client.info()
    version = (Path(__file__).resolve().parents[2] / "Cargo.toml").read_text()
    check(f'version = "{info.version}"' in version, f"version {info.version}")
    check((info.pack, info.dimensions) == ("builtin", 128), f"{info}")
    check(len(bytes.fromhex(info.embedder)) == 32, f"{info.embedder}")
    check(info.ready and info.generation >= 1 and 0 < info.people <= info.embeddings, f"{info}")
    check((info.threads, info.queue_length) == (2, 8), f"{info}")
    check(info.max_photo_bytes == 64 << 20, f"{info}")
    check(setting.recognize("face.jpg").generation == info.generation, "another generation")


def stream(setting, requests, **options):
    return setting.client.stub.RecognizeStream(iter(requests), timeout=CALL_SECONDS, **options)


def streamed_as_single(setting):
    probes = [*KNOWN, "nobody.png", "cup.png", *BAD, "two_known.jpg"] * 3
    options = messages.RecognizeOptions(top_k=2, min_similarity=0.2, include_embeddings=True)
    requests = []
    for number, probe in enumerate(probes):
        by_content = number % 2 and probe not in ("missing.jpg", "dangling.jpg", "folder.jpg", "fifo.jpg")
        photo = (content if by_content else at)(setting.probe(probe))
        requests.append(messages.RecognizeStreamRequest(id=f"{number} {probe}", photo=photo, options=options))
    requests.append(messages.RecognizeStreamRequest(id="nothing"))
    answers = {}
    for answer in stream(setting, requests):
        check(answer.id not in answers, f"{answer.id} is answered twice")
        answers[answer.id] = answer
    check(answers.keys() == {request.id for request in requests}, f"{len(answers)} of {len(requests)} answered")
    nothing = answers.pop("nothing").failure
    check((nothing.code, nothing.reason) == (Code.INVALID_ARGUMENT.value[0], "no_photo"), f"{nothing}")
    for number, probe in enumerate(probes):
        answer = answers[f"{number} {probe}"]
        if probe in BAD:
            code, reason = BAD[probe]
            failure = answer.failure
            check((failure.code, failure.reason) == (code.value[0], reason), f"{probe}: {failure}")
            check(len(failure.message) > 5, f"{probe}: {failure}")
        else:
            request = messages.RecognizeRequest(photo=at(setting.probe(probe)), options=options)
            check(answer.response == setting.client.stub.Recognize(request), f"{probe}: another answer")


def an_empty_stream_ends(setting):
    check(list(stream(setting, [])) == [], "answers to nothing")


def a_question_after_an_answer(setting):
    """The client waits for each answer before it asks again."""
    answers = []

    def requests():
        for number in range(5):
            yield messages.RecognizeStreamRequest(id=str(number), photo=at(setting.probe("face.png")))
            while len(answers) <= number:
                yield_to_reader.acquire()

    yield_to_reader = threading.Semaphore(0)
    for answer in stream(setting, requests()):
        answers.append(answer.id)
        yield_to_reader.release()
    check(answers == [str(number) for number in range(5)], f"{answers}")


def a_streams_deadline_holds(setting):
    asked = threading.Event()

    def requests():
        yield messages.RecognizeStreamRequest(id="one", photo=at(setting.probe("cup.png")))
        asked.wait(CALL_SECONDS)

    try:
        answers = [answer.id for answer in setting.client.stub.RecognizeStream(requests(), timeout=3)]
    except grpc.RpcError as error:
        check(error.code() == Code.DEADLINE_EXCEEDED, f"{refusal(error)}")
    else:
        raise Failure(f"the stream ended by itself: {answers}")
    finally:
        asked.set()


def malformed(setting):
    for method in ("Recognize", "Verify"):
        call = setting.client.channel.unary_unary(f"/facerecog.v1.Recognizer/{method}", lambda data: data)
        try:
            call(b"\x0a\xff", timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            check(error.code() == Code.INTERNAL, f"{refusal(error)}")
        else:
            raise Failure("answered")


def compressed(setting):
    request = messages.RecognizeRequest(photo=at(setting.probe("face.jpg")))
    answer = setting.client.ask("Recognize", request, compression=grpc.Compression.Gzip)
    check(isinstance(answer, Refusal) and answer.code == Code.UNIMPLEMENTED, f"{answer}")


def details_of_the_original(setting):
    for name, (code, reason) in BAD.items():
        request = original_messages.IdentifyRequest(image_path=str(setting.probe(name)))
        try:
            answer = setting.client.original.Identify(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            answer = refusal(error)
        refused(answer, code, reason, name)


ROWS = [
    Row("a known face: match, box, landmarks, numbers", one_known_face),
    Row("the person's name", people_are_named),
    Row("by content as by path", content_as_path),
    Row("every face, largest first", every_face),
    Row("an unknown face, and no face", nobody_and_nothing),
    Row("top_k", several_matches),
    Row("min_similarity", least_similarity),
    Row("min_face", least_face),
    Row("embeddings", embeddings),
    Row("photos that are none", photos_that_are_none),
    Row("questions that are none", questions_that_are_none),
    Row("Verify: the same, and another", same_and_other),
    Row("Verify: no face", no_face_is_not_the_same),
    Row("Verify: names the photo that is wrong", the_wrong_one_of_two_is_named),
    Row("GetInfo", what_runs_here),
    Row("stream: each answer is that of the single call", streamed_as_single),
    Row("stream: nothing asked", an_empty_stream_ends),
    Row("stream: one after the other", a_question_after_an_answer),
    Row("stream: deadline", a_streams_deadline_holds),
    Row("malformed protobuf", malformed),
    Row("gzip is refused", compressed),
    Row("Identify's refusals carry their reason as well", details_of_the_original),
]


def main():
    if len(sys.argv) != 3:
        raise SystemExit("usage: v1_client.py ADDRESS FIXTURE_DIR")
    run_rows(ROWS, Setting(Client(sys.argv[1]), Path(sys.argv[2]).resolve()))


if __name__ == "__main__":
    main()
