"""Colours as numbers: contrast as WCAG 2.2 defines it, and making a colour readable on a ground."""

import colorsys

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


def _rgb_of(hue: float, light: float, saturation: float) -> RGB:
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, light, saturation))
    return red, green, blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
