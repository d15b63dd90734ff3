"""The table of names: every row builds, and a wrong name is answered with the nearest."""

from __future__ import annotations

import dataclasses
import re

import pytest
import torch

from vision.core.sample import InputSpec
from vision.ssd.build import BACKBONES, NECKS, assemble, build_detector, build_loss, map_sizes, shapes_alone
from vision.ssd.priors.generate import make_priors
from vision.ssd.variants import (
    BACKBONE_ROWS,
    DEFAULT_PRIORS,
    DEFAULT_VARIANT,
    DETECTORS,
    VARIANTS,
    BackboneRow,
    find,
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("mb1_ssd", "mb1-ssd"),
        ("MB2-SSD-Lite", "mb2-ssd-lite"),
        ("ssd_lite_mobilenet_v2", "ssd-lite-mobilenet-v2"),
        ("ssdlite-mobilenet_v2", "ssd-lite-mobilenet-v2"),
        ("ssd-mobilenetv2", "ssd-mobilenet-v2"),
        ("SSD-Mobilenet-v1", "ssd-mobilenet-v1"),
        ("yolov3-darknet53", "yolo-v3-darknet53"),
        *((name.upper().replace("-", "_"), name) for name in VARIANTS),
    ],
)
def test_case_hyphens_and_underscores_tell_no_nets_apart(typed, meant):
    assert find(typed) is find(meant) is VARIANTS[meant]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("mb2-ssd", "'mb2-ssd-lite' or 'ssd-mobilenet-v2'"),
        ("mobilenet-v2-ssd", "'ssd-mobilenet-v2'"),
        ("mobilenet_v2_ssd_lite_coco_18.5.pth", "'mb2-ssd-lite' or 'ssd-lite-mobilenet-v2'"),
        ("ssd_lite_mobilenetv2_train_coco.yml", "'ssd-lite-mobilenet-v2'"),
        ("mobilenetv2-ssd-lite", "'mb2-ssd-lite' or 'ssd-lite-mobilenet-v2'"),
        ("ssd-lite-mobilnet-v2", "'ssd-lite-mobilenet-v2'"),
        ("mobilenet-ssd", "'mb1-ssd', 'mb1-ssd-lite' or 'mb2-ssd-lite'"),
        ("mobilenet_ssd", "'mb1-ssd', 'mb1-ssd-lite' or 'mb2-ssd-lite'"),
        ("ssdlite320", "'ssdlite320_mobilenet_v3_large'"),
        ("fpn", "'ssd-fpn-mobilenet-v2', 'ssd-fpn-mobilenet-v3-large' or 'ssd-fpn-mobilenet-v3-small'"),
        ("mb1☃ssd", "'mb1-ssd' or 'ssd-mobilenet-v1'"),
        ("../mb1-ssd", "'mb1-ssd' or 'ssd-mobilenet-v1'"),
        (
            "mobilenetv3-ssd-lite",
            "'mb3-large-ssd-lite', 'mb3-small-ssd-lite' or 'ssdlite320_mobilenet_v3_large'",
        ),
        ("mb3-ssd-lite", "'mb3-small-ssd-lite' or 'mb3-large-ssd-lite'"),
        ("fpnlite", "'ssd-fpn-mobilenet-v2', 'ssd-fpn-mobilenet-v3-large' or 'ssd-fpn-mobilenet-v3-small'"),
        ("ssd_mobilenet_v2_fpnlite_320x320", "'ssd-fpn-mobilenet-v2'"),
        ("resnet-ssd", "'ssd-resnet18', 'ssd-resnet34' or 'ssd-resnet50'"),
        ("rfb-vgg16-lite", "'rfb-lite-vgg16'"),
        ("RFBNet", "'rfb-vgg16', 'rfb-mobilenet-v1' or 'rfb-mobilenet-v2'"),
        ("yolov3-tiny", "'yolo-v3-mobilenet-v1', 'yolo-v3-mobilenet-v2' or 'yolo-v3-resnet18'"),
    ],
)
def test_a_name_that_is_nearly_one_is_answered_with_the_nearest(typed, meant):
    said = re.escape(f"no net is called '{typed}': did you mean {meant}? ")
    with pytest.raises(ValueError, match=said):
        find(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "-",
        "a" * 100_000,
        "NaN",
        "retinanet",
        "ssd-inception",
        "ssd-lite-mobilenet-v9",
        "mb7-ssd-lite",
        "☃",
    ],
)
def test_a_name_of_nothing_is_answered_shortly(typed):
    with pytest.raises(ValueError, match=r"no net is called .*python -m tools.models") as caught:
        find(typed)
    assert len(str(caught.value)) < 200 and "did you mean" not in str(caught.value)


def test_a_combination_without_sense_is_refused_with_those_that_have_it(monkeypatch):
    bare = BackboneRow("bare", "A backbone of one map", {"16": 16})
    monkeypatch.setitem(BACKBONE_ROWS, "bare", bare)
    assert DETECTORS["ssd-lite"].on(bare) is None
    for typed in ("ssd-lite-bare", "bare_ssdlite"):
        with pytest.raises(ValueError) as caught:
            find(typed)
        first, why, there = str(caught.value).splitlines()
        assert first == "ssd-lite does not stand on bare"
        assert why == "  why: it takes maps of stride 8, 16 or 16, 32, and bare offers 16"
        assert there == "  there is: ssd-lite-vgg16, ssd-lite-mobilenet-v1; all nets: python -m tools.models"
    monkeypatch.setitem(BACKBONE_ROWS, "bare", dataclasses.replace(bare, strides={"8": 8, "16": 16}))
    with pytest.raises(
        ValueError, match="why: nobody has said how its extra layers and prior boxes fit bare"
    ):
        find("ssd-lite-bare")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("resnet50", "'resnet50' is a backbone, not a net: ssd-resnet50, "),
        ("mobilenet_v2", "'mobilenet_v2' is a backbone, not a net: ssd-mobilenet-v2, "),
        ("yolo_v2", "'yolo_v2' is a kind of detector, not a net: yolo-v2-mobilenet-v1, "),
    ],
)
def test_a_part_alone_is_answered_with_its_nets(typed, said):
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        find(typed)
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize("typed", ["yolo-v2-vgg16", "fssd-squeezenet", "ssd-fpn-mobilenet-v1"])
def test_what_there_is_instead_is_short(typed):
    with pytest.raises(ValueError, match="does not stand on") as caught:
        find(typed)
    assert max(map(len, str(caught.value).splitlines())) <= 120


def test_heads_are_exchanged_by_kind():
    """The net's own where they are of that kind already: mb2-ssd-lite has a plain 1×1 on its last map."""
    assert find("mb2-ssd-lite", "lite") is find("mb2-ssd-lite")
    assert find("mb2-ssd-lite", "full").heads == "full"
    assert find("ssd-mobilenet-v2", "full") is find("ssd-mobilenet-v2")
    assert find("ssd-mobilenet-v2", "lite") == dataclasses.replace(find("ssd-mobilenet-v2"), heads="lite")


def test_defaults_are_in_the_table():
    assert DEFAULT_PRIORS in find(DEFAULT_VARIANT).priors


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_every_row_builds_with_every_profile(name):
    row = find(name)
    assert row.name == name
    width, height = row.resolution
    spec, width_mult = InputSpec(height, width), 0.25
    with torch.device("meta"):
        detector = assemble(row, 3, spec, width_mult, DEFAULT_PRIORS)
        build_loss(detector)
    # the exported graph keeps its shape whatever the profile
    maps = map_sizes(row, spec, width_mult)
    assert {len(make_priors(profile, maps, spec)) for profile in row.priors.values()} == {
        len(detector.priors_cxcywh)
    }


def test_every_kind_of_detector_and_every_neck_is_used():
    assert {row.neck for row in VARIANTS.values()} == set(NECKS)
    assert {name.removesuffix(f"-{row.backbone}") for name, row in VARIANTS.items()} >= set(DETECTORS)


def test_every_backbone_is_a_row():
    assert set(BACKBONE_ROWS) == set(BACKBONES)


@pytest.mark.parametrize("name", sorted(BACKBONE_ROWS))
def test_backbones_offer_what_their_rows_say(name):
    """Each map alone, which leaves out what is behind it, at its stride and with the channels it tells; one channel in."""
    row = BACKBONE_ROWS[name]
    for source, stride in row.strides.items():
        with torch.device("meta"):
            net = shapes_alone(BACKBONES[name]((source,), 0.5, 1))
            (features,) = net(torch.empty(1, 1, 256, 384))
        lost = int(name == "squeezenet")  # it pads nothing
        expected = (1, *net.out_channels, 256 // stride - lost, 384 // stride - lost)
        assert features.shape == expected, source


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
