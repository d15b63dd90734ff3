"""The progress bar of all stages: tqdm, imported where one is drawn, which is a fifth of a command that draws none."""

from __future__ import annotations

from typing import Any


def bar(desc: str, total: float | None = None, unit: str = "B", **options: Any) -> Any:
    """A ``tqdm``; of bytes where ``unit`` says nothing else. Not shown where stderr is no terminal."""
    from tqdm import tqdm

    return tqdm(
        **{"desc": desc, "total": total, "unit": unit, "unit_scale": unit == "B", "disable": None, **options}
    )
