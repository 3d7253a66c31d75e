"""Values of sliders as people write and say them."""

import math
import re
from numbers import Integral

SUPERSCRIPTS = str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")


def shown(value):
    """Write a value as it stands beside its slider: 0.0316, 10⁻³, 3.16·10⁻⁵, yes."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return str(value).replace("-", "−")
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    mantissa, exponent = _decimal(value)
    if value == 0 or (-3 if mantissa != "1" else -2) <= exponent <= 2:
        return f"{value:.3g}".replace("-", "−")
    power = "10" + str(exponent).translate(SUPERSCRIPTS)
    return power if mantissa == "1" else f"{mantissa}·{power}".replace("-", "−")


def spoken(value):
    """Write a value for a screen reader, which may skip superscripts."""
    written = shown(value)
    if isinstance(value, str) or "10" not in written or not set(written) & set("⁰¹²³⁴⁵⁶⁷⁸⁹"):
        return written
    mantissa, exponent = _decimal(value)
    said = f"10 to the power {exponent}" if mantissa == "1" else f"{mantissa} times 10 to the power {exponent}"
    return said.replace("-", "minus ")


def with_powers(text):
    """Write the powers of ten in a text as beside a slider: 7.9e+03 becomes 7.9·10³."""

    def power(match):
        mantissa, exponent = match[1].rstrip("0").rstrip(".") if "." in match[1] else match[1], int(match[2])
        if not exponent:
            return mantissa
        written = "10" + str(exponent).translate(SUPERSCRIPTS)
        return written if mantissa == "1" else f"{mantissa}·{written}"

    return re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]\d+)", power, text)


def written(value):
    """Write a value for an address: 0.0316228, 1e-06, inf, vertex."""
    return str(value) if isinstance(value, (str, Integral)) else f"{value:.6g}"


def _decimal(value):
    """Return mantissa and exponent of `value` to three digits, as strings."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return mantissa.rstrip("0").rstrip("."), int(exponent)
