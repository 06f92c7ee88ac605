"""Figures in few characters, the same in the pane and in the table. What is not known is a dash."""

import re

from workbench.telemetry.types import Gpu, Host

DASH = "–"
_GIB = 1 << 30
_MAKER = re.compile(r"^(NVIDIA |Tesla |Quadro |GeForce )+")
_FORM = re.compile(r"[- ](SXM\d*|PCIe?|PG\d+|HBM\w*|\d+ ?GB|NVL|Generation|Laptop)\b.*$", re.IGNORECASE)


def short_name(name: str | None) -> str:
    """A card's name without maker, memory and form: `NVIDIA H100 80GB HBM3` is an `H100`."""
    return _FORM.sub("", _MAKER.sub("", name)) if name else "GPU"


def percent(value: float | None) -> str:
    """A share of a hundred."""
    return DASH if value is None else f"{value:.0f}%"


def size(count: float | None) -> str:
    """COUNT bytes to three digits, in powers of 1024: `59.8G`."""
    if count is None:
        return DASH
    for unit in ("B", "K", "M", "G", "T"):
        if abs(count) < 999.5 or unit == "T":
            break
        count /= 1024
    return f"{count:.0f}{unit}" if count >= 99.95 or unit == "B" else f"{count:.1f}".removesuffix(".0") + unit


def rate(count: float | None) -> str:
    """COUNT bytes a second."""
    return DASH if count is None else f"{size(count)}/s"


def of(used: int | None, total: int | None) -> str:
    """Memory or disk in use of all there is, in GiB (TiB for what is large): `61/80G`."""
    if used is None and total is None:
        return DASH
    unit, letter = (_GIB, "G") if (total or used or 0) < 1000 * _GIB else (_GIB * 1024, "T")
    digits = 0 if (total or used or 0) >= 10 * unit else 1
    return f"{_part(used, unit, digits)}/{_part(total, unit, digits)}{letter}"


def _part(count: int | None, unit: int, digits: int) -> str:
    return DASH if count is None else f"{count / unit:.{digits}f}"


def pair(value: float | None, most: float | None, unit: str) -> str:
    """A value and what it may rise to: `655/700W`."""
    if value is None and most is None:
        return DASH
    return f"{_whole(value)}/{_whole(most)}{unit}" if most is not None else f"{_whole(value)}{unit}"


def _whole(value: float | None) -> str:
    return DASH if value is None else f"{value:.0f}"


def degrees(value: int | None) -> str:
    """A temperature in degrees Celsius."""
    return DASH if value is None else f"{value}°"


def age(seconds: float) -> str:
    """How long: `8s`, `2m10s`, `3h05m`, `4d 2h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"


def links(gpu: Gpu) -> str:
    """How a card is connected and what went wrong on it, as far as it tells."""
    link, parts = gpu.links, []
    if link.pcie_generation is not None or link.pcie_rx is not None:
        kind = f"PCIe {link.pcie_generation or '?'}x{link.pcie_width or '?'}"
        if (link.pcie_width or 0) < (link.pcie_width_max or 0):
            kind += f" of x{link.pcie_width_max}"
        parts.append(f"{kind} in {rate(link.pcie_rx)} out {rate(link.pcie_tx)}")
    if link.nvlink_active:
        parts.append(f"NVLink x{link.nvlink_active} in {rate(link.nvlink_rx)} out {rate(link.nvlink_tx)}")
    if link.ecc_uncorrected is not None:
        parts.append(f"ECC {link.ecc_corrected or 0} corrected, {link.ecc_uncorrected} not")
    if link.sm_active is not None:
        parts.append(f"SM {percent(link.sm_active)} busy, tensor {percent(link.tensor_active)}")
    return "  ".join(parts)


def host_parts(host: Host) -> list[str]:
    """The machine's figures, the most wanted first."""
    parts = [f"cpu {percent(host.cpu_percent)}"]
    if host.load:
        parts.append(f"load {host.load[0]:.1f}/{host.cpus or DASH}")
    if host.memory_limit is not None:
        parts.append(f"mem {of(host.memory_limit_used, host.memory_limit)}")
    else:
        parts.append(f"mem {of(host.memory_used, host.memory_total)}")
    parts.append(f"disk {size(host.disk_free)} free")
    if host.disk_read is not None:
        parts.append(f"io {rate(host.disk_read)} in {rate(host.disk_write)} out")
    return parts
