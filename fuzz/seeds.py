#!/usr/bin/env python3
"""Writes the first inputs of every fuzz target to fuzz/corpus/<target>/.

Run by `make fuzz` in the environment of tests/peers/venv.sh. Photos are made small: a fuzzer gets
further with files that it can read thousands of times a second.
"""

import io
import pathlib
import re
import struct

from PIL import Image

FUZZ = pathlib.Path(__file__).resolve().parent
ROOT = FUZZ.parent


def keep(target, name, data):
    folder = FUZZ / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def photos():
    for fixture in (ROOT / "engine/tests/fixtures/photo").iterdir():
        keep("photo_decode", fixture.name, fixture.read_bytes())
    photo = Image.open(ROOT / "examples/astronaut.jpg").convert("RGB").resize((24, 17))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    alpha = photo.convert("RGBA")
    alpha.putalpha(photo.convert("L"))
    deep = photo.convert("I").convert("I;16")
    second = photo.rotate(180)
    variants = {
        "jpeg_444.jpg": (photo, dict(format="JPEG", subsampling=0)),
        "jpeg_420_exif.jpg": (photo, dict(format="JPEG", subsampling=2, exif=exif)),
        "jpeg_progressive.jpg": (photo, dict(format="JPEG", progressive=True)),
        "jpeg_restart.jpg": (photo, dict(format="JPEG", restart_marker_blocks=1)),
        "jpeg_cmyk.jpg": (photo.convert("CMYK"), dict(format="JPEG")),
        "jpeg_grey.jpg": (photo.convert("L"), dict(format="JPEG")),
        "png_rgb_exif.png": (photo, dict(format="PNG", exif=exif)),
        "png_rgba.png": (alpha, dict(format="PNG")),
        "png_palette.png": (photo.quantize(16), dict(format="PNG", transparency=3)),
        "png_grey.png": (photo.convert("L"), dict(format="PNG")),
        "png_1bit.png": (photo.convert("1"), dict(format="PNG")),
        "png_16bit.png": (deep, dict(format="PNG")),
        "gif.gif": (photo, dict(format="GIF")),
        "gif_animated.gif": (photo, dict(format="GIF", save_all=True, append_images=[second], transparency=1)),
        "gif_interlaced.gif": (photo.quantize(8), dict(format="GIF", interlace=1)),
        "webp_lossy.webp": (photo, dict(format="WEBP", exif=exif)),
        "webp_lossless.webp": (photo, dict(format="WEBP", lossless=True)),
        "webp_alpha.webp": (alpha, dict(format="WEBP")),
        "webp_animated.webp": (photo, dict(format="WEBP", save_all=True, append_images=[second])),
        "bmp_24.bmp": (photo, dict(format="BMP")),
        "bmp_palette.bmp": (photo.quantize(16), dict(format="BMP")),
        "bmp_1bit.bmp": (photo.convert("1"), dict(format="BMP")),
        "tiff_raw.tif": (photo, dict(format="TIFF", exif=exif)),
        "tiff_lzw.tif": (photo, dict(format="TIFF", compression="tiff_lzw")),
        "tiff_deflate.tif": (photo, dict(format="TIFF", compression="tiff_adobe_deflate")),
        "tiff_packbits.tif": (photo, dict(format="TIFF", compression="packbits")),
        "tiff_jpeg.tif": (photo, dict(format="TIFF", compression="jpeg")),
        "tiff_fax.tif": (photo.convert("1"), dict(format="TIFF", compression="group4")),
        "tiff_cmyk.tif": (photo.convert("CMYK"), dict(format="TIFF")),
        "tiff_16bit.tif": (deep, dict(format="TIFF")),
        "pnm_p6.ppm": (photo, dict(format="PPM")),
        "pnm_p5.pgm": (photo.convert("L"), dict(format="PPM")),
        "pnm_p4.pbm": (photo.convert("1"), dict(format="PPM")),
    }
    for name, (image, options) in variants.items():
        file = io.BytesIO()
        image.save(file, **options)
        keep("photo_decode", name, file.getvalue())
    keep("photo_decode", "pnm_p3.ppm", b"P3 2 1 255  255 0 0  0 0 255")
    keep("photo_decode", "pnm_pam.pam", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n\1\2\3")


def indexes():
    for fixture in sorted((ROOT / "engine/tests/fixtures").glob("gallery-v*/*.idx")):
        keep("index_open", fixture.parent.name, fixture.read_bytes())


def manifests():
    text = (ROOT / "models/manifest.toml").read_text()
    keep("manifest", "builtin.toml", text.encode())
    # The same, of files that are not inside the library.
    other = re.sub("[0-9a-f]{64}", lambda digest: digest[0][::-1], text)
    keep("manifest", "other.toml", other.encode())


def field(number, value):
    """One field of a protobuf message."""
    if isinstance(value, bool) or isinstance(value, int):
        return varint(number << 3) + varint(int(value))
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def requests():
    photos = [field(2, path) for path in ("a", "l", "d/a", "k", "../out/a", "/proc/self/root/etc/passwd", "./a", "")]
    photos.append(field(1, b"P3 1 1 255 255 0 0"))
    options = field(1, 5) + field(2, 40.0) + field(3, 0.5) + field(4, True)
    for number, photo in enumerate(photos):
        keep("request", f"identify-{number}", b"\0" + field(1, photo[2:]))
        keep("request", f"recognize-{number}", b"\1" + field(1, photo) + field(2, options))
        keep("request", f"stream-{number}", b"\2" + field(1, "id") + field(2, photo) + field(3, options))
        keep("request", f"enroll-{number}", b"\3" + field(1, "ada") + field(2, "ada_1.jpg") + field(3, photo) + field(4, True))
        keep("request", f"verify-{number}", b"\4" + field(1, photo) + field(2, photos[0]))
    keep("request", "remove-photo", b"\5" + field(1, "ada_1.jpg"))
    keep("request", "remove-person", b"\5" + field(2, "ada"))
    keep("request", "list", b"\6" + field(1, 10) + field(2, "token") + field(3, True))
    keep("request", "reindex", b"\7" + field(1, True) + field(2, True))


photos()
indexes()
manifests()
requests()
