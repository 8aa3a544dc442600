"""Small pictures for the texts: png with a palette, a few kilobytes each."""

from pathlib import Path

from PIL import Image

from distill_lib.files import write_atomically

COLOURS = 64
"""Enough for lines, text and their soft edges."""


def write_palette_png(image: Image.Image, path: Path) -> None:
    """Write an image, whole or not at all, on white where it is transparent."""
    white = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    small = flat.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    write_atomically(path, lambda handle: small.save(handle, "png", optimize=True))
