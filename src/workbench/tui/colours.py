"""Colours as numbers: contrast as WCAG 2.2 defines it, a colour made readable on a ground, and the nearest of a few."""

import colorsys
from functools import cache

RGB = tuple[int, int, int]


def rgb(colour: str) -> RGB:
    """The parts, 0 to 255, of `#rgb` or `#rrggbb`."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def luminance(colour: RGB) -> float:
    """Relative luminance, 0 (black) to 1 (white): WCAG 2.2, section 2."""
    red, green, blue = (_linear(part / 255) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: RGB, other: RGB) -> float:
    """Contrast ratio, 1 (the same) to 21 (black on white)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, grounds: list[str], least: float) -> str:
    """COLOUR in a lightness nearest to its own at which it stands LEAST to 1 against all GROUNDS; hue is kept."""
    hue, light, saturation = colorsys.rgb_to_hls(*(part / 255 for part in rgb(colour)))
    behind = [rgb(ground) for ground in grounds]
    step = 0.01 if luminance(behind[0]) < 0.18 else -0.01
    while 0 <= light <= 1:
        candidate = _rgb_of(hue, light, saturation)
        if all(ratio(candidate, ground) >= least for ground in behind):
            return "#{:02x}{:02x}{:02x}".format(*candidate)
        light += step
    return "#ffffff" if step > 0 else "#000000"


def nearest(colour: str, among: dict[str, str]) -> str:
    """The key of AMONG whose colour is nearest in hue, or in lightness where COLOUR is almost grey."""
    hue, light, saturation = colorsys.rgb_to_hls(*(part / 255 for part in rgb(colour)))

    def distance(key: str) -> float:
        other, lightness, strength = colorsys.rgb_to_hls(*(part / 255 for part in rgb(among[key])))
        if saturation < 0.15 or strength < 0.15:
            return abs(saturation - strength) + abs(light - lightness)
        apart = abs(hue - other)
        return min(apart, 1 - apart)

    return min(among, key=distance)


@cache
def in_256(colour: str) -> str:
    """The colour nearest to COLOUR that every terminal of 256 colours shows alike: the 6x6x6 cube and 24 greys."""
    at = _oklab(rgb(colour))
    found = min(_fixed(), key=lambda one: sum((a - b) ** 2 for a, b in zip(one[1], at, strict=True)))
    return "#{:02x}{:02x}{:02x}".format(*found[0])


@cache
def _fixed() -> list[tuple[RGB, tuple[float, float, float]]]:
    levels = (0, 95, 135, 175, 215, 255)
    cube = [(red, green, blue) for red in levels for green in levels for blue in levels]
    greys = [(level, level, level) for level in range(8, 239, 10)]
    return [(one, _oklab(one)) for one in cube + greys]


def _oklab(colour: RGB) -> tuple[float, float, float]:
    """COLOUR where distance is difference to the eye: Oklab, Bjorn Ottosson 2020 (public domain)."""
    red, green, blue = (_linear(part / 255) for part in colour)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def _rgb_of(hue: float, light: float, saturation: float) -> RGB:
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, light, saturation))
    return red, green, blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
