"""Writes tests/golden/images/: small images of every kind, and images.json with digests of what Pillow decodes.

Digests are XXH3 (64 bits) of the upright RGB pixels. Needs Pillow 13 and tifffile.
Run: python tests/golden/make_images.py
"""
import ctypes
import io
import json
import pathlib
import struct

import numpy
import tifffile
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin

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

# The formats below: as small as shows the order of rows, columns and colours.
small = picture(17, 13)
small_gray = small.convert("L")
small_palette = small.quantize(16)
small_alpha = small.copy()
small_alpha.putalpha(Image.linear_gradient("L").resize(small.size))
flipped = small.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
array = numpy.asarray(small)
height, width = array.shape[:2]

save("lossy.webp", small, quality=80)
save("lossless.webp", small, lossless=True)
save("gray.webp", small_gray, quality=80)
save("alpha.webp", small_alpha, quality=80)
save("alpha_lossless.webp", small_alpha, lossless=True)
save("animated.webp", small, save_all=True, append_images=[flipped], lossless=True)
save("animated_alpha.webp", small_alpha, save_all=True, append_images=[flipped], lossless=True)
for o in (3, 6):
    save(f"exif{o}.webp", small, exif=exif(o), quality=80)

for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
    save(f"{compression.removeprefix('tiff_').removeprefix('adobe_')}.tif", small, compression=compression)
save("gray.tif", small_gray)
save("graya.tif", small_alpha.convert("LA"))
save("rgba.tif", small_alpha)
save("palette.tif", small_palette)
save("cmyk.tif", small.convert("CMYK"))
save("ycbcr_jpeg.tif", small.convert("YCbCr"), compression="jpeg")
save("bit.tif", small.convert("1"))
save("bit_g4.tif", small.convert("1"), compression="group4")
for o in range(1, 9):
    save(f"orientation{o}.tif", small, exif=exif(o))
save("pages.tif", small, save_all=True, append_images=[flipped])


def save_tiff(name, samples, **options):
    tifffile.imwrite(folder / name, samples, photometric=options.pop("photometric", "rgb"), software=False, **options)


save_tiff("strips.tif", array, rowsperstrip=5, compression="zlib")
save_tiff("tiles.tif", array, tile=(16, 16))
save_tiff("tiles_lzw.tif", array, tile=(16, 16), compression="lzw", predictor=True)
save_tiff("planar.tif", array.transpose(2, 0, 1), planarconfig="separate")
save_tiff("planar_tiles.tif", array.transpose(2, 0, 1).copy(), planarconfig="separate", tile=(16, 16))
inks = numpy.asarray(small.convert("CMYK")).transpose(2, 0, 1).copy()
save_tiff("planar_cmyk.tif", inks, photometric="separated", planarconfig="separate", compression="zlib")
save_tiff("rgb16.tif", array.astype("<u2") * 257)
save_tiff("rgb16_big_endian.tif", array.astype(">u2") * 257, byteorder=">")
save_tiff("big_endian.tif", array, byteorder=">")
save_tiff("bigtiff.tif", array, bigtiff=True)
save_tiff("miniswhite.tif", numpy.asarray(small_gray), photometric="miniswhite")
save_tiff("extra_samples.tif", numpy.concatenate([array, array[..., :2]], 2), extrasamples=[0, 0])

# Grey of 16 bits, of which Pillow clips the values at 255; what is expected is the high byte.
gray16 = (numpy.asarray(small_gray).astype("<u2") * 257) ^ 0x55
save_tiff("gray16.tif", gray16, photometric="minisblack")

save("rgb.bmp", small)
save("gray.bmp", small_gray)
save("bit.bmp", small.convert("1"))
save("rgba.bmp", small_alpha)


def save_bmp(name, bits, rows, height=height, compression=0, masks=b"", palette=b""):
    """Kinds that Pillow does not write. Rows are from the bottom to the top, unless the height is negative."""
    data = b"".join(row + bytes(-len(row) % 4) for row in rows)
    at = 14 + 40 + len(masks) + len(palette)
    head = struct.pack("<2sIHHI", b"BM", at + len(data), 0, 0, at)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, len(palette) // 4, 0)
    (folder / name).write_bytes(head + info + masks + palette + data)


upwards = array[::-1].astype("<u2")
red, green, blue = upwards[..., 0], upwards[..., 1], upwards[..., 2]
zero = numpy.zeros_like(array[..., :1])
indices = numpy.asarray(small_palette)[::-1]
colors = numpy.frombuffer(small_palette.palette.tobytes(), numpy.uint8).reshape(-1, 3)[:16]
palette = b"".join(bytes([*color[::-1], 0]) for color in colors)
even = numpy.pad(indices, ((0, 0), (0, width % 2)))
save_bmp("palette8.bmp", 8, [row.tobytes() for row in indices], palette=palette)
save_bmp("palette4.bmp", 4, [(row[0::2] << 4 | row[1::2]).tobytes() for row in even], palette=palette)
save_bmp("555.bmp", 16, [row.tobytes() for row in red >> 3 << 10 | green >> 3 << 5 | blue >> 3])
save_bmp("565.bmp", 16, [row.tobytes() for row in red >> 3 << 11 | green >> 2 << 5 | blue >> 3], compression=3,
         masks=struct.pack("<III", 0xF800, 0x07E0, 0x001F))
save_bmp("32.bmp", 32, [row.tobytes() for row in numpy.concatenate([array[::-1, :, ::-1], zero], 2)])
save_bmp("top_down.bmp", 24, [row.tobytes() for row in array[..., ::-1]], height=-height)

data = (folder / "top_down.bmp").read_bytes()
(folder / "gap.bmp").write_bytes(data[:10] + struct.pack("<I", 54 + 10) + data[14:54] + bytes(10) + data[54:])
data = (folder / "palette8.bmp").read_bytes()
(folder / "bad_color.bmp").write_bytes(data[:-20] + b"\x10" + data[-19:])  # an index one beyond the palette

save("plain.gif", small_palette, interlace=0)
save("interlaced.gif", small_palette, interlace=1)
save("transparent.gif", small_palette, interlace=0, transparency=5)
save("animated.gif", small_palette, save_all=True, append_images=[flipped.quantize(16)], duration=100)
# The same frame on a larger screen, 3 pixels from its left and 2 from its top; and one that extends beyond its screen.
# The background colour is not what the pixels around the frame have.
for name, source, screen_width, screen_height, left, top in (
    ("offset", "plain", 23, 17, 3, 2),
    ("offset_transparent", "transparent", 23, 17, 3, 2),
    ("beyond", "plain", 12, 9, 2, 1),
):
    data = bytearray((folder / f"{source}.gif").read_bytes())
    descriptor = data.find(b"\x2c" + struct.pack("<4H", 0, 0, width, height))
    data[6:10] = struct.pack("<2H", screen_width, screen_height)
    data[11] = 3
    data[descriptor + 1 : descriptor + 5] = struct.pack("<2H", left, top)
    (folder / f"{name}.gif").write_bytes(data)


# The orientation as XMP, which counts only where EXIF has none.
def xmp(property):
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {property}</x:xmpmeta>'.encode()


attribute, element = xmp('tiff:Orientation="6"/>'), xmp("><tiff:Orientation>3</tiff:Orientation></rdf:Description>")
save("xmp6.jpg", small, xmp=attribute)
save("xmp3.jpg", small, xmp=element)
data = (folder / "xmp3.jpg").read_bytes()
(folder / "zeros_before_end.jpg").write_bytes(data[:-2] + bytes(300) + data[-2:])
(folder / "bad_bytes_before_end.jpg").write_bytes(data[:-2] + b"\x11" * 300 + data[-2:])
save("exif8_xmp6.jpg", small, exif=exif(8), xmp=attribute)
save("xmp6.webp", small, xmp=attribute)
text = PngImagePlugin.PngInfo()
text.add_itxt("XML:com.adobe.xmp", attribute.decode())
save("xmp6.png", small, pnginfo=text)
text = PngImagePlugin.PngInfo()
text.add_text("Raw profile type exif", f"\nexif\n{len(exif(6)):8}\n{exif(6).hex()}\n", zip=True)
save("exif6_text.png", small, pnginfo=text)
tags = TiffImagePlugin.ImageFileDirectory_v2()
tags[700] = attribute
save("xmp6.tif", small, tiffinfo=tags)


# What is refused is not listed in images.json.
def refused(name, image, **options):
    save("bad_" + name, image, **options)


refused("float.tif", Image.fromarray(array[..., 0].astype(numpy.float32) / 255))
refused("int32.tif", Image.fromarray(array[..., 0].astype(numpy.int32)))
save_tiff("bad_signed.tif", array[..., 0].astype("<i2") - 99, photometric="minisblack")
refused("lab.tif", small.convert("LAB"))
runs = [b"".join(bytes([1, index]) for index in row) + b"\0\0" for row in indices]
save_bmp("bad_rle8.bmp", 8, runs, compression=1, palette=palette)


def repeat(values, bits):
    """Values of 5 or 6 bits as 8 bits, whose last bits repeat the first; Pillow's are smaller by one here and there."""
    return (values << 8 - bits | values >> 2 * bits - 8).astype(numpy.uint8)


def expected(path):
    if path.name == "gray16.tif":
        return Image.fromarray((gray16 >> 8).astype(numpy.uint8)).convert("RGB")
    if path.name in ("555.bmp", "565.bmp"):
        bits = [int(digit) for digit in path.stem]
        return Image.fromarray(numpy.stack([repeat(array[..., c] >> 8 - b, b) for c, b in enumerate(bits)], 2))
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


whole = {}
for path in sorted(folder.iterdir()):
    if path.suffix == ".json" or path.name.startswith("bad_"):
        continue
    image = expected(path)
    pixels = image.tobytes()
    whole[path.name] = {
        "width": image.width,
        "height": image.height,
        "digest": f"{xxhash.XXH3_64bits(pixels, len(pixels)):016x}",
    }
(folder / "images.json").write_text(json.dumps(whole, indent=1) + "\n")
