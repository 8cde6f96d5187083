"""Composes group.jpg from three portraits: Barack Obama, Joe Biden, Eileen Collins.

    python examples/compose_group.py        (needs Pillow; reads and writes beside itself)

Biden's half is mirrored, so that his face is not, pixel for pixel, the one in known_people/.
"""

from pathlib import Path

from PIL import Image, ImageOps

HEIGHT = 640
HERE = Path(__file__).resolve().parent

# Photo, head and shoulders as fractions of its width and height (left, top, right, bottom), mirrored.
PORTRAITS = (
    (HERE / "obama3.jpg", (0.18, 0.03, 0.84, 0.43), False),
    (HERE.parent / "known_people" / "biden.jpg", (0.10, 0.02, 1.00, 0.42), True),
    (HERE / "astronaut.jpg", (0.10, 0.00, 0.80, 0.70), False),
)


def portrait(path, part, mirrored):
    photo = Image.open(path).convert("RGB")
    left, top, right, bottom = part
    box = (left * photo.width, top * photo.height, right * photo.width, bottom * photo.height)
    width = round((box[2] - box[0]) / (box[3] - box[1]) * HEIGHT)
    cut = photo.resize((width, HEIGHT), Image.Resampling.LANCZOS, box=box)
    return ImageOps.mirror(cut) if mirrored else cut


def main():
    cuts = [portrait(*entry) for entry in PORTRAITS]
    group = Image.new("RGB", (sum(cut.width for cut in cuts), HEIGHT))
    at = 0
    for cut in cuts:
        group.paste(cut, (at, 0))
        at += cut.width
    group.save(HERE / "group.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()
