"""What TensorBoard shows of a run beside its curves."""

from __future__ import annotations

from vision.engine.model import build_from
from vision.engine.options.config import TrainConfig
from vision.engine.runs.metric_logger import CHARTS
from vision.engine.runs.run_card import card, hparams, net_text

CONFIG = TrainConfig(net="sq-ssd-lite", resolution=(64,), mb2_width_mult=0.1, lr=0.03, freeze_net=True)
CLASSES = ["BACKGROUND", "cat", "dog"]


def test_the_first_session_says_all_and_later_ones_their_arguments() -> None:
    model = build_from(CONFIG, 3)
    tags = [[value.tag for value in one.value] for one in card(CONFIG, model, CLASSES, fresh=True)]
    assert [tag for of in tags for tag in of] == [
        "run/configuration/text_summary", "run/net/text_summary", "custom_scalars__config__", "_hparams_/experiment",
        "_hparams_/session_start_info", "_hparams_/session_end_info",
    ]  # fmt: skip
    (later,) = card(CONFIG, model, CLASSES, fresh=False)
    assert b"    lr: 0.03\n" in later.value[0].tensor.string_val[0]


def test_the_net_is_told_by_its_parts() -> None:
    model = build_from(CONFIG, 3)
    model.base_net.requires_grad_(False)
    text = net_text(CONFIG, model, CLASSES)
    total = sum(parameter.numel() for parameter in model.parameters())
    assert f"parameters: {total:,}" in text and "classes:    2: cat, dog" in text and "64×64 px" in text
    counts = [line.split() for line in text.splitlines() if line.startswith("  ")]
    assert sum(int(words[1].strip(",").replace(",", "")) for words in counts) == total
    assert [words[0] for words in counts if "trained" in words] == ["base_net"]


def test_hparams_are_what_decides_how_a_net_learns() -> None:
    found = hparams(CONFIG)
    assert found["lr"] == 0.03 and found["resolution"] == "(64,)" and found["freeze_net"] is True
    assert {"net", "augment", "seed", "batch_size", "ema"} <= set(found)
    assert not {"workers", "device", "datasets", "panels_every", "resume"} & set(found)


def test_training_and_validation_share_a_chart() -> None:
    charts = CHARTS["training and validation"]
    assert charts["loss"] == ["Multiline", ["loss_by_epoch/train_total$", "loss_by_epoch/validation_total$"]]
