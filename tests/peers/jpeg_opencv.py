"""JPEG files as OpenCV (libjpeg-turbo) decodes them: the reference for the engine's own decoder.

    python jpeg_opencv.py FILE...
    python jpeg_opencv.py --write DIR

Prints for each file and each reduction of its sides, 1, 2, 4 and 8: width, height, and the sha256 of the RGB bytes in
rows from the top. With --write it first writes the files of engine/tests/fixtures/photo/sampling into DIR: a picture of
waves and noise in each usual sampling of the colours, and in grey.
"""

import hashlib
import sys
from pathlib import Path

import cv2
import numpy

FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
# Sampling of the brightness, and units from one restart to the next.
SAMPLINGS = {"444": (0x11, 0), "422": (0x21, 0), "420": (0x22, 0), "420_restarts": (0x22, 2), "440": (0x12, 3), "411": (0x41, 0)}
WIDTH, HEIGHT = 67, 45


def picture():
    y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    waves = [127 + 120 * numpy.sin(x / a + y / b) for a, b in ((9, 14), (-13, 8), (6, -17))]
    noise = numpy.random.default_rng(7).normal(0, 12, (HEIGHT, WIDTH, 3))
    return numpy.clip(numpy.dstack(waves) + noise, 0, 255).astype(numpy.uint8)


def write(folder):
    files = []
    for name, (sampling, interval) in SAMPLINGS.items():
        options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_RST_INTERVAL, interval]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling << 16 | 0x1111]
        files.append(folder / f"{name}.jpg")
        cv2.imwrite(str(files[-1]), picture(), options)
    files.append(folder / "grey.jpg")
    cv2.imwrite(str(files[-1]), cv2.cvtColor(picture(), cv2.COLOR_BGR2GRAY), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return files


def main(arguments):
    files = write(Path(arguments[1])) if arguments[0] == "--write" else map(Path, arguments)
    for file in files:
        for divisor, flag in FLAGS.items():
            image = cv2.imread(str(file), flag | cv2.IMREAD_IGNORE_ORIENTATION)
            if image is None:
                raise SystemExit(f"{file}: cannot be read as a photo")
            digest = hashlib.sha256(numpy.ascontiguousarray(image[:, :, ::-1]).tobytes()).hexdigest()
            print(file.name, divisor, image.shape[1], image.shape[0], digest)


if __name__ == "__main__":
    main(sys.argv[1:])
