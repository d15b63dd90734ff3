"""Claims: one that is another's is not taken for ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.data_root import claims
from vision.artefacts.records import RecordError


@pytest.mark.parametrize("change", [{"schema": 2}, {"stage": "extract"}])
def test_a_claim_of_another_stage_or_version_is_named(change: dict[str, object], tmp_path: Path) -> None:
    claims.note(tmp_path, "index", ["index.sqlite"])
    path = claims.claim_path(tmp_path, "index")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RecordError, match=r"claims/index\.json: schema \d of '\w+', expected 1 of 'index'"):
        claims.read(tmp_path, "index")
