"""The table of names: every row builds, and a wrong name is answered with the nearest."""

from __future__ import annotations

import pytest
import torch

from vision.core.sample import InputSpec
from vision.ssd.build import BACKBONES, build_detector, build_loss
from vision.ssd.variants import BACKBONE_ROWS, DEFAULT_PRIORS, DEFAULT_VARIANT, VARIANTS, find


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"no net is called 'mb2-ssd': did you mean 'mb2-ssd-lite'\?"):
        find("mb2-ssd")
    with pytest.raises(ValueError, match="there is mb2-ssd-lite"):
        find("resnet")


def test_defaults_are_in_the_table():
    assert DEFAULT_PRIORS in find(DEFAULT_VARIANT).priors


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_every_row_builds_with_every_profile(name):
    row = find(name)
    assert row.name == name
    width, height = row.resolution
    counts = set()
    for profile in row.priors:
        detector = build_detector(row, 3, InputSpec(height, width), 0.25, profile)
        build_loss(detector)
        counts.add(len(detector.priors_cxcywh))
    # the exported graph keeps its shape whatever the profile
    assert len(counts) == 1


def test_every_backbone_is_a_row():
    assert set(BACKBONE_ROWS) == set(BACKBONES)


@pytest.mark.parametrize("name", sorted(BACKBONE_ROWS))
def test_backbones_offer_what_their_rows_say(name):
    """Each map alone, which leaves out what is behind it, at its stride and with the channels it tells; one channel in."""
    row = BACKBONE_ROWS[name]
    for source, stride in row.strides.items():
        with torch.device("meta"):
            net = BACKBONES[name]((source,), 0.5 if row.scales else 1.0, 1).eval()
            (features,) = net(torch.empty(1, 1, 256, 384))
        assert features.shape == (1, *net.out_channels, 256 // stride, 384 // stride), source


def test_what_can_not_be_built_is_refused():
    row = find("mb2-ssd-lite")
    with pytest.raises(ValueError, match="at least one object class"):
        build_detector(row, 1, InputSpec())
    with pytest.raises(ValueError, match="width multiplier 0"):
        build_detector(row, 3, InputSpec(), 0)
    with pytest.raises(ValueError, match="no prior profile is called 'voc': mb2-ssd-lite has coco, ancestor"):
        build_detector(row, 3, InputSpec(), prior_profile="voc")


def test_post_processing_is_that_of_the_paper():
    """Liu et al. 2016, section 3: jaccard overlap of 0.45 per class; 400 candidates, 100 detections as COCO counts."""
    row = find("mb2-ssd-lite").postprocess
    assert (row.iou_threshold, row.candidates, row.limit) == (0.45, 400, 100)


def test_first_weights_are_those_of_the_documents():
    """docs/ssd.md, "First weights": one positive to three negatives, and heads that begin small."""
    row = find("mb2-ssd-lite")
    assert (row.initial_objects, row.head_std) == (0.25, 0.01)
