"""500 photos of people some of whom are known, and who is right to be named on each."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PHOTOS = 500
KNOWN_PEOPLE = 60
# People who are in the original's tables, with another name than the recognizer has for them.
RENAMED = 20


@dataclass
class Photos:
    paths: list[str]
    known: Path
    # Path to the name in `person`; none for a photo that is to FAIL.
    person_of: dict[str, str | None]
    # Name of a known photo's file to the name in `person`, for the people whom the database knows beforehand.
    in_database: dict[str, str]


def choose(shared, folder, recognizer):
    """The photos, with the known ones copied below `folder`; asks `recognizer identify` who is on each."""
    images = Path(shared) / "data" / "lfw-dev" / "images"
    people = [(person, sorted(person.glob("*.jpg"))) for person in sorted(images.iterdir())]
    people.sort(key=lambda person: -len(person[1]))
    known = folder / "known_people"
    known.mkdir()
    probes, in_database, labels = [], {}, {}
    for number, (person, photos) in enumerate(people[:KNOWN_PEOPLE]):
        for photo in photos[:2]:
            shutil.copyfile(photo, known / photo.name)
            if number < RENAMED:
                in_database[photo.name] = person.name.replace("_", " ")
        probes += photos[2:]
        labels.update((str(photo), person.name) for photo in photos[2:])
    strangers = [photo for _, photos in people[KNOWN_PEOPLE:] for photo in photos]
    nobody = sorted((Path(shared) / "data" / "no-face").rglob("*.jpg"))[:20]
    probes += nobody
    paths = [str(photo) for photo in probes + strangers][:PHOTOS]
    # Two that are no photos: FAILED, and no reason to open the circuit.
    broken = folder / "broken.jpg"
    broken.write_bytes(b"this is no photo")
    paths[-2:] = [str(broken), str(folder / "missing.jpg")]

    person_of = dict.fromkeys(paths)
    right = 0
    for record in identify(recognizer, known, folder / "expected-index", paths):
        match = max((face["match"] for face in record["faces"] if face["match"]), default=None,
                    key=lambda match: match["similarity"])
        if match:
            person_of[record["photo"]] = in_database.get(match["image_name"], match["person"])
            right += match["person"] == labels.get(record["photo"])
    named = sum(person is not None for person in person_of.values())
    labelled = len(labels.keys() & person_of.keys())
    if right < 0.9 * labelled or not 100 < named < len(paths) - 50:
        raise SystemExit(f"the recognizer names {named} of {len(paths)} photos, {right} of {labelled} as labelled")
    return Photos(paths, known, person_of, in_database)


def identify(recognizer, known, index, paths):
    # The distance that the server decides by, as the original does.
    done = subprocess.run(
        [recognizer, "identify", "--json", "--threshold", "0.6", "--known", known, "--index", index, *paths],
        capture_output=True, text=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    if not records:
        raise SystemExit(f"recognizer identify: {done.stderr}")
    return [record for record in records if record.get("error") is None]
