"""Writes tests/golden/images/: small images of every kind, and images.json with digests of what Pillow decodes.

Digests are XXH3 (64 bits) of the upright RGB pixels. Run: python tests/golden/make_images.py
"""
import ctypes
import io
import json
import pathlib

import numpy
from PIL import Image, ImageOps

xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits.restype = ctypes.c_uint64
xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

folder = pathlib.Path(__file__).parent / "images"
folder.mkdir(exist_ok=True)


def picture(width, height):
    """Smooth colours with an edge, so that JPEG compression changes pixels and the orientation is visible."""
    y, x = numpy.mgrid[0:height, 0:width]
    red = 255 * x / width
    green = 255 * y / height
    blue = 127 + 120 * numpy.sin(x / 5) * numpy.cos(y / 7)
    blue[: height // 3, : width // 2] = 0
    return Image.fromarray(numpy.stack([red, green, blue], 2).astype(numpy.uint8))


def save(name, image, **options):
    image.save(folder / name, **options)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


rgb = picture(45, 31)
save("rgb.jpg", rgb, quality=85)
save("rgb444.jpg", rgb, quality=90, subsampling=0)
save("rgb422.jpg", rgb, quality=80, subsampling=1)
save("gray.jpg", rgb.convert("L"))
save("cmyk.jpg", rgb.convert("CMYK"), quality=85)
save("progressive.jpg", rgb, progressive=True)
for o in range(1, 9):
    save(f"exif{o}.jpg", picture(20, 13), exif=exif(o))
save("rgb.png", rgb)
save("misnamed.jpg", rgb, format="PNG")
save("exif6.png", picture(20, 13), exif=exif(6))
save("gray.png", rgb.convert("L"))
save("bit.png", rgb.convert("1"))
save("palette.png", rgb.quantize(16))
save("graya.png", rgb.convert("LA"))
alpha = rgb.copy()
alpha.putalpha(rgb.convert("L"))
save("rgba.png", alpha)

# YCCK, as written by Photoshop: the scan data of the CMYK file with the other colour transform.
data = bytearray((folder / "cmyk.jpg").read_bytes())
at = data.find(b"Adobe")
if at < 0:
    raise SystemExit("Pillow wrote no Adobe marker")
data[at + 11] = 2
(folder / "ycck.jpg").write_bytes(data)

whole = {}
for path in sorted(folder.iterdir()):
    if path.suffix not in (".jpg", ".png") or path.name.startswith("bad_"):
        continue
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        image = ImageOps.exif_transpose(image).convert("RGB")
    pixels = image.tobytes()
    whole[path.name] = {
        "width": image.width,
        "height": image.height,
        "digest": f"{xxhash.XXH3_64bits(pixels, len(pixels)):016x}",
    }
(folder / "images.json").write_text(json.dumps(whole, indent=1) + "\n")
