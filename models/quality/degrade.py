"""Makes photos worse, one way each, and lists the pairs of one person that they belong to.

    $(sh tests/peers/venv.sh) models/quality/degrade.py ROOT OUT

ROOT has a folder of photos for each person, as LFW. Of everybody with two photos or more OUT/worse/PERSON gets each
photo changed in one of seven ways. How, and how much, is drawn from the photo's name: the same photos give the same
files. OUT/photos leads to ROOT.

Lists of pairs for `recognizer eval quality --root OUT`: OUT/fit.csv of every second person, and of all others
OUT/as-they-come.csv, every photo with every other of the person, and OUT/worse.csv, every photo with every other made
worse. fit.csv has both kinds. The way is the group.
"""

import csv
import hashlib
import itertools
import os
import sys
from pathlib import Path

import cv2
import numpy as np


def blurred(image, amount, _):
    return cv2.GaussianBlur(image, (0, 0), 1 + 5 * amount)


def moved(image, amount, random):
    """As by a hand that moves while the shutter is open."""
    length = 3 + round(20 * amount)
    angle = random.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    middle, way = (length - 1) / 2, np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    ends = [tuple(int(round(middle + sign * part)) for part in way) for sign in (-1, 1)]
    cv2.line(kernel, *ends, 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def small(image, amount, _):
    scale = 1 / (1.5 + 4.5 * amount)
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def dark(image, amount, random):
    """Less light, and the noise of a sensor that has to make do with it."""
    light = 0.5 * 0.08**amount
    return image * light + random.normal(0, 1.5, image.shape)


def bright(image, amount, _):
    return image * (1.4 + 2.6 * amount)


def noisy(image, amount, random):
    return image + random.normal(0, 8 + 60 * amount, image.shape)


def compressed(image, amount, _):
    _, jpeg = cv2.imencode(".jpg", np.rint(image).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, round(25 - 22 * amount)])
    return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)


WAYS = {way.__name__: way for way in (blurred, moved, small, dark, bright, noisy, compressed)}


def worse(source, name, target):
    """Writes the photo `name` anew and returns the way."""
    seed = hashlib.sha256(name.encode()).digest()
    random = np.random.Generator(np.random.PCG64(int.from_bytes(seed)))
    way = list(WAYS)[random.integers(len(WAYS))]
    image = cv2.imread(str(source)).astype(np.float32)
    image = WAYS[way](image, random.random(), random)
    # Without loss, so that the way is all that happened.
    cv2.imwrite(str(target), np.clip(np.rint(image), 0, 255).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return way


def pairs(root, out, person):
    names = sorted(path.name for path in (root / person).iterdir())
    if len(names) < 2:
        return
    (out / "worse" / person).mkdir(parents=True, exist_ok=True)
    ways = {name: worse(root / person / name, name, out / "worse" / person / f"{name}.png") for name in names}
    for a, b in itertools.combinations(names, 2):
        yield "as-they-come", f"photos/{person}/{a}", f"photos/{person}/{b}", "as they come"
    for a, b in itertools.permutations(names, 2):
        yield "worse", f"photos/{person}/{a}", f"worse/{person}/{b}.png", ways[b]


def main():
    root, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    out.mkdir(parents=True)
    os.symlink(root, out / "photos")
    people = sorted(path.name for path in root.iterdir() if path.is_dir())
    lists = {"fit": [], "as-they-come": [], "worse": []}
    for number, person in enumerate(people):
        for kind, *pair in pairs(root, out, person):
            lists["fit" if number % 2 == 0 else kind].append(pair)
    for name, listed in lists.items():
        with open(out / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["fold", "same", "image_a", "image_b", "group"])
            writer.writerows([0, 1, *pair] for pair in listed)


if __name__ == "__main__":
    main()
