"""Builds the folder of known people and of probes that contract_client.py asks about.

    python contract_fixture.py FIXTURE_DIR SHARED_DIR

FIXTURE_DIR/known is to be the server's KNOWN_PEOPLE, FIXTURE_DIR/probes holds what is asked about,
FIXTURE_DIR/later a photo that is enrolled while the server runs. The folder must not exist yet.
Everybody's probe is another photo than the enrolled one unless the client says otherwise; the
right person is at a descriptor distance of 0.45 or less, the nearest wrong one at 0.68 or more.
hannibal_1.jpg and hannibal_2.jpg, 0.59 apart, are the exception: the first of them in the listing
is a match for the other, and not the best one.
"""

import os
import shutil
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps


class Shared:
    """The photos that the fixture takes from the shared folder."""

    def __init__(self, root):
        people = root / "data" / "face_recognition" / "examples" / "knn_examples" / "train"
        celebrities = root / "data" / "celebs5"
        self.original = root / "data" / "original-sample" / "known_people"
        self.obama = root / "sample" / "obama.jpg"
        self.obama_probe = root / "sample" / "obama2.jpg"
        self.biden = root / "sample" / "biden.jpg"
        self.biden_probe = people / "biden" / "biden2.jpg"
        self.rose = people / "rose_leslie" / "img1.jpg"
        self.rose_probe = people / "rose_leslie" / "img2.jpg"
        self.kit = people / "kit_harington" / "john1.jpeg"
        self.kit_probe = people / "kit_harington" / "john2.jpeg"
        self.nobody = root / "sample" / "astronaut.png"
        self.cup = root / "sample" / "coffee.png"
        self.cat = root / "sample" / "chelsea.png"

        def training(person, number):
            return sorted((celebrities / "train" / person).iterdir())[number]

        def test(person):
            return next((celebrities / "test" / person).iterdir())

        self.ben, self.ben_probe = test("ben_afflek"), training("ben_afflek", 1)
        self.elton, self.elton_probe = training("elton_john", 1), training("elton_john", 2)
        self.jerry, self.jerry_probe = training("jerry_seinfeld", 0), test("jerry_seinfeld")
        self.madonna, self.madonna_probe = test("madonna"), training("madonna", 1)
        self.mindy, self.mindy_probe = training("mindy_kaling", 5), test("mindy_kaling")


def build_known(known, shared):
    """Names and files such as the original met with, good and bad."""
    for name in ("hannibal_1.jpg", "hannibal_2.jpg", "gergely_01.jpg"):
        shutil.copyfile(shared.original / name, known / name)
    shutil.copyfile(shared.obama, known / "H.JPG")
    Image.open(shared.rose).convert("RGB").save(known / "h.Png", format="PNG")
    shutil.copyfile(shared.biden, known / "hannibal.jpg.bak")
    shutil.copyfile(shared.kit, known / ".jpg")
    Image.open(shared.elton).convert("RGB").save(known / "elton.gif")
    shutil.copyfile(shared.jerry, known / "jerry.jpe")
    (known / "madonna").mkdir()
    shutil.copyfile(shared.madonna, known / "madonna" / "portrait.jpg")
    try:
        shutil.copyfile(shared.mindy, os.fsencode(known) + b"/caf\xe9.jpg")
    except OSError as error:
        print(f"a name that is no UTF-8 is left out: {error}", file=sys.stderr)

    (known / "broken.jpg").write_bytes(shared.obama.read_bytes()[:2] + bytes(range(256)) * 40)
    (known / "zero_bytes.jpg").touch()
    Image.open(shared.cup).convert("RGB").save(known / "faceless.jpg")
    (known / "folder.jpg").mkdir()
    (known / "dangling.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(known / "fifo.png")
    (known / "notes.txt").write_text("not a photo, and not named like one\n")


def write_png(path, width, height, rows=b""):
    """A PNG whose header says what it likes: 8 bits grey."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def side_by_side(path, *photos):
    height = 512
    photos = [ImageOps.contain(photo, (10 * height, height)) for photo in photos]
    joined = Image.new("RGB", (sum(photo.width for photo in photos), height))
    at = 0
    for photo in photos:
        joined.paste(photo, (at, 0))
        at += photo.width
    joined.save(path, quality=92)


def build_formats(probes, face):
    """One face in every format; the person on it is H.JPG."""
    face.save(probes / "face.jpg", quality=92)
    face.save(probes / "face_progressive.jpg", quality=92, progressive=True)
    for extension in ("png", "gif", "bmp", "webp", "tiff", "ppm"):
        face.save(probes / f"face.{extension}")
    face.save(probes / "face.avif", quality=90)
    face.save(probes / "face.jp2")
    face.convert("L").save(probes / "grey.jpg", quality=92)
    face.convert("L").save(probes / "grey.png")
    face.convert("CMYK").save(probes / "cmyk.jpg", quality=92)
    face.convert("RGBA").save(probes / "rgba.png")
    face.quantize(256).save(probes / "palette.png")
    face.convert("1").save(probes / "1_bit.png")
    bgr = np.asarray(face)[:, :, ::-1].astype(np.uint16) * 257
    cv2.imwrite(str(probes / "16_bit.png"), bgr)
    cv2.imwrite(str(probes / "16_bit_grey.png"), cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))
    shutil.copyfile(probes / "face.png", probes / "png_named.jpg")

    # What a viewer must do to a stored photo of each orientation, undone beforehand.
    turn = Image.Transpose
    stored = {
        1: [],
        2: [turn.FLIP_LEFT_RIGHT],
        3: [turn.ROTATE_180],
        4: [turn.FLIP_TOP_BOTTOM],
        5: [turn.TRANSPOSE],
        6: [turn.ROTATE_90],
        7: [turn.TRANSVERSE],
        8: [turn.ROTATE_270],
    }
    for orientation, turns in stored.items():
        turned = face
        for step in turns:
            turned = turned.transpose(step)
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned.save(probes / f"exif_{orientation}.jpg", quality=92, exif=exif)


def build_probes(probes, shared):
    for name in (
        "obama_probe",
        "rose_probe",
        "biden_probe",
        "kit_probe",
        "elton_probe",
        "jerry_probe",
        "madonna_probe",
        "mindy_probe",
        "ben_probe",
        "nobody",
    ):
        source = getattr(shared, name)
        shutil.copyfile(source, probes / f"{name}{source.suffix}")
    shutil.copyfile(shared.original / "hannibal_2.jpg", probes / "hannibal_2_again.jpg")
    shutil.copyfile(shared.cup, probes / "cup.png")
    shutil.copyfile(shared.cat, probes / "cat.png")

    speech = Image.open(shared.obama_probe).convert("RGB")
    face = speech.crop((66, 140, 602, 740))
    build_formats(probes, face)
    nobody = Image.open(shared.nobody).convert("RGB").crop((80, 0, 420, 340))
    side_by_side(probes / "unknown_and_known.jpg", nobody, face)
    # Pixels of the enrolled photo: nearer than Biden's other photo, though on the right of it.
    side_by_side(
        probes / "two_known.jpg",
        Image.open(shared.biden_probe).convert("RGB"),
        Image.open(shared.obama).convert("RGB").crop((200, 0, 780, 600)),
    )

    # The face is in the upper half and under it lies more than as much data again.
    tall = Image.new("RGB", (face.width, 2 * face.height + 400))
    tall.paste(face, (0, 0))
    tall.paste(speech.crop((0, 500, face.width, 1200)).resize((face.width, face.height + 400)), (0, face.height))
    tall.save(probes / "whole.jpg", quality=92)
    whole = (probes / "whole.jpg").read_bytes()
    (probes / "truncated_50.jpg").write_bytes(whole[: len(whole) // 2])
    (probes / "truncated_90.jpg").write_bytes(whole[: len(whole) * 9 // 10])

    (probes / "zero_bytes.jpg").touch()
    (probes / "text.jpg").write_text("This is not an image.\n")
    (probes / "random.jpg").write_bytes(np.random.default_rng(1).bytes(65536))
    write_png(probes / "400_megapixels.png", 20000, 20000)
    (probes / "folder.jpg").mkdir()
    (probes / "dangling.jpg").symlink_to("nowhere.jpg")
    (probes / "link.jpg").symlink_to("face.jpg")
    os.mkfifo(probes / "fifo.jpg")


def main():
    fixture, shared = Path(sys.argv[1]), Shared(Path(sys.argv[2]))
    for name in ("known", "probes", "later"):
        (fixture / name).mkdir(parents=True)
    build_known(fixture / "known", shared)
    build_probes(fixture / "probes", shared)
    shutil.copyfile(shared.ben, fixture / "later" / "ben_1.jpg")


if __name__ == "__main__":
    main()
