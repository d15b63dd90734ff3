"""The deliberate faults, each with the tests that have to notice it: data only.

Those of the net, its images, its evaluation and its export are here; ``stages.py`` and ``engine.py`` have the others.
"""

from __future__ import annotations

from benchmarks.deliberate_faults.engine import ENGINE
from benchmarks.deliberate_faults.fault import Fault, rows
from benchmarks.deliberate_faults.stages import STAGES

FAULTS: tuple[Fault, ...] = (
    *rows(
        "vision/ssd/heads.py", "tests/ssd/test_model.py",
        ("ReLU in the place of ReLU6 in the heads", "        ReLU6(),", "        nn.ReLU(inplace=True),"),
        ("first bias counts background among the objects", "* (num_classes - 1))", "* num_classes)"),
        ("first bias of sigmoids is that of objects", "nn.init.constant_(bias, -math.log(", "nn.init.constant_(bias, math.log("),
        ("all maps share the first one's statistics", "zip(maps, self.norms, strict=True)", "((one, self.norms[0]) for one in maps)", "tests/ssd/test_heads.py"),
        ("rows and columns of a map exchanged", "output.permute(0, 2, 3, 1)", "output.permute(0, 3, 2, 1)"),
        ("first weights of the heads twice as large", "nn.init.normal_(last.weight, std=std)", "nn.init.normal_(last.weight, std=2 * std)"),
    ),
    *rows(
        "vision/ssd/coding.py", "tests/ssd/test_coding.py",
        ("smallest side a hundredth", "SMALLEST_SIDE = 1e-6", "SMALLEST_SIDE = 1e-2"),
        ("largest box twice as large", "math.log(1000 / 16)", "math.log(1000 / 8)"),
        ("smallest box larger", "SMALLEST_LOG_RATIO = -30.0", "SMALLEST_LOG_RATIO = -5.0"),
        ("variances exchanged", "centre_variance: float = 0.1\n    size_variance: float = 0.2", "centre_variance: float = 0.2\n    size_variance: float = 0.1"),
    ),
    *rows(
        "vision/ssd/losses/matching.py", "tests/ssd/losses/test_matching.py",
        ("the worst fitting box chooses first", "best.argsort(dim=1, descending=True", "best.argsort(dim=1, descending=False"),
        ("a prior nearly all in a crowd is background", "CROWD_COVER = 0.5", "CROWD_COVER = 0.9"),
        ("an IoU of just the threshold does not match", "best_iou >= iou_threshold, best_box", "best_iou > iou_threshold, best_box"),
        ("a forced match without overlap", "torch.where(overlap > 0, box", "torch.where(overlap >= 0, box"),
        ("a matched prior in a crowd is ignored", "(ignored | near) & (gt_index < 0)", "ignored | near"),
        ("an IoU of just the lower threshold is background", "near = best_iou >=", "near = best_iou >"),
    ),
    *rows(
        "vision/ssd/losses/multibox.py", "tests/ssd/losses/test_multibox.py tests/ssd/losses/test_detection.py",
        ("two negatives for each positive", "negatives_per_positive: int = 3", "negatives_per_positive: int = 2"),
        ("images without objects train nothing", "matches.positive.sum(dim=1).clamp(min=1)", "matches.positive.sum(dim=1).clamp(min=0)"),
        ("crowds are negatives", "~(matches.positive | matches.ignored)", "~matches.positive"),
    ),
    *rows(
        "vision/ssd/losses/focal.py", "tests/ssd/losses/test_focal.py",
        ("what is told well counts as much", "torch.exp(self.gamma * log_rest)", "torch.exp(self.gamma * log_p)"),
        ("background weighs as much as objects", "(1 - self.alpha) * loss", "self.alpha * loss"),
        ("ignored priors are trained by sigmoids", "torch.where(matches.ignored[..., None], 0.0, loss).sum()", "loss.sum()"),
    ),
    *rows(
        "vision/ssd/losses/detection.py", "tests/ssd/losses/test_detection.py",
        ("offsets averaged, not summed", 'reduction="none").sum(dim=-1)', 'reduction="none").mean(dim=-1)'),
        ("what nobody has labelled is background", "if batch.unlabelled.shape[1]:", "if False:"),
        ("an object may be of a class that its image is not labelled with", "(targets == BACKGROUND)[..., None] & unknown[:, None]", "unknown[:, None].expand_as(logits)"),
    ),
    *rows(
        "vision/ssd/priors/generate.py", "tests/ssd/priors/test_generate.py",
        ("centres at the corners of cells", "dtype=torch.float64) + 0.5)", "dtype=torch.float64) + 0.0)"),
        ("the ancestors' grid at every size", "if cells_at_300 and side_px == 300 else", "if cells_at_300 else"),
        ("priors not clamped", "else boxes[:, 2:]).clamp_(0.0, 1.0)", "else boxes[:, 2:])"),
    ),
    *rows(
        "vision/ssd/priors/profiles.py", "tests/ssd/priors/test_generate.py",
        ("no tilt of COCO's images", "COCO_WIDTH_TO_HEIGHT = 0.8", "COCO_WIDTH_TO_HEIGHT = 1.0"),
        ("another smallest prior", "(0.055, 0.092, 0.145)", "(0.065, 0.092, 0.145)"),
        ("second square as large as the largest", "math.sqrt(smallest * largest)", "largest"),
    ),
    *rows(
        "vision/ssd/variants.py", "tests/ssd/test_postprocess.py tests/ssd/test_variants.py",
        ("suppression from 0.5 on", "iou_threshold: float = 0.45", "iou_threshold: float = 0.5"),
        ("200 candidates", "candidates: int = 400", "candidates: int = 200"),
        ("half of the detections", "limit: int = 100", "limit: int = 50"),
        ("another share of objects at first", "initial_objects: float = 0.25", "initial_objects: float = 0.1", "tests/ssd/test_variants.py"),
    ),
    *rows(
        "vision/ssd/postprocess.py", "tests/ssd/test_postprocess.py",
        ("what is not a number takes the places", "& ~objects.isnan()", ""),
        ("empty boxes take the places", "torch.where(shown, objects, -torch.inf)", "objects"),
        ("labels one too small", "pairs % objects.shape[2] + 1", "pairs % objects.shape[2]"),
        ("softmax over priors", "torch.softmax(logits, dim=-1)", "torch.softmax(logits, dim=1)"),
        ("background where an object is sure", "1 - objects.amax(dim=-1, keepdim=True)", "objects.amax(dim=-1, keepdim=True)"),
        ("suppression in float32", "chosen.double() + 2 * labels[..., None], values.double()", "chosen + 2 * labels[..., None], values"),
        ("classes suppress each other", "+ 2 * labels[..., None]", "+ 0 * labels[..., None]"),
        ("infinite outputs are finite", "end.isfinite() for", "~end.isnan() for"),
    ),
    *rows(
        "vision/nn/input_channels.py", "tests/nn/test_input_channels.py",
        ("grey is a third of each colour", "kernel * kernel.new_tensor(GREY)[None, :, None, None]", "kernel.expand(-1, 3, -1, -1) / 3"),
        ("RGB weights on grey are a mean", "kernel.sum(dim=1, keepdim=True)", "kernel.mean(dim=1, keepdim=True)"),
    ),
    *rows(
        "vision/transforms/draw.py", "tests/transforms/test_draw.py",
        ("the crop's aspect bound", "scale**-2)", "scale**-1)"),
        ("a shift stretches one way only", "** (2 * each - 1)", "** each"),
        ("the release's hue", "hue: float = 18.0", "hue: float = 36.0"),
        ("half the brightness", "brightness: float = 32.0", "brightness: float = 16.0"),
        ("a crop without a centre", "np.logical_or.reduceat(inside, starts)", "True"),
        ("zoom-out of three", "largest: float = 4.0", "largest: float = 3.0"),
        ("another rule of crops", "0.5, 0.7, 0.9)", "0.5, 0.7, 0.8)"),
        ("windows always at the left", "(1 - sides) * uniform[:, 2:] * whole", "(1 - sides) * uniform[:, 2:] * whole * [0, 1]"),
        ("a shift is never larger", "largest: float = 1.1", "largest: float = 1.0"),
        ("the last window that meets the rule counts", "prepend=-1) > 0]", "append=-1) != 0]", "tests/transforms/test_presets.py::test_views_are_drawn_together_as_they_were_one_by_one"),
        ("windows are thought too large for the objects", "largest[having] = ROUNDED * ", "largest[having] = 0.9 * ", "tests/transforms/test_presets.py::test_views_are_drawn_together_as_they_were_one_by_one"),
    ),
    *rows(
        "vision/transforms/presets.py", "tests/transforms/test_presets.py",
        ("zoom-out on black", "fill=round(self.input_spec.mean)", "fill=0"),
        ("objects below 4 px are left out", "SMALLEST_SIDE_PX = 1.0", "SMALLEST_SIDE_PX = 4.0"),
        ("the same draw in every epoch", "= (0, 0, epoch, index)", "= (0, 0, 0, index)"),
        ("light without a flip", "stretch=0.1),\n        Flip(),", "stretch=0.1),"),
    ),
    *rows(
        "vision/transforms/geometry.py", "tests/transforms/test_geometry.py",
        ("mirrored boxes with left behind right", "shown[:, [2, 1, 0, 3]], shown)", "shown, shown)"),
        ("objects of just the smallest side are left out", "(sides >= smallest_side_px)", "(sides > smallest_side_px)"),
        ("crowds leave with their centre", "np.where(is_crowd, seen, is_object)", "is_object"),
    ),
    *rows(
        "vision/transforms/augment.py", "tests/transforms/test_augment.py",
        ("a mirrored image is sampled from the other end", "(width - right if view.mirrored else left)", "left"),
        ("a packed image is seen through another window", "plane.shape[0] / frame_h", "plane.shape[1] / frame_w", "tests/transforms/test_augment.py::test_an_image_stored_at_another_size_is_seen_through_the_same_window"),
        ("what a batch painted before shows beside the image", "if ltrb != [0, 0, width, height]:", "if False:", "tests/transforms/test_augment.py::test_a_window_beside_the_image_is_all_fill"),
    ),
    *rows(
        "vision/transforms/colour.py", "tests/transforms/test_colour.py",
        ("red and blue of luma exchanged", "np.array([0.299, 0.587, 0.114])", "np.array([0.114, 0.587, 0.299])"),
        ("colours in the opposite order", "product = matrix @ product", "product = product @ matrix"),
    ),
    *rows(
        "vision/transforms/resize.py", "tests/transforms/test_resize.py",
        ("the device's resize rounds", "* scale).astype(np.int64)", "* scale).round().astype(np.int64)"),
        ("smoothed before it is made smaller", "interpolation=cv2.INTER_LINEAR", "interpolation=cv2.INTER_AREA"),
    ),
    *rows(
        "vision/export/parity.py", "tests/export/test_parity.py",
        ("parity looks at the last gap only", "return max(gaps, key=lambda gap: gap.share)", "return gaps[-1]", "tests/export/test_parity.py::test_a_fault_that_one_image_shows_is_refused_by_its_number"),
        ("a loud image allows a quiet one any fault", "min(most, LUCK * of.rounding)", "most", "tests/export/test_parity.py::test_a_loud_image_hides_no_fault_of_a_quiet_one"),
        ("parity looks at the last activation only", "image = int(np.argmax(largest))", "image = len(largest) - 1", "tests/export/test_parity.py::test_activations_beyond_half_precision_are_refused"),
        ("rounding may be a hundred times torch's", "TIMES_THE_ROUNDING = 4.0", "TIMES_THE_ROUNDING = 100.0", "tests/export/test_parity.py::test_a_small_fault_is_refused"),
        ("float64 is float32", "copy.deepcopy(graph).double()", "copy.deepcopy(graph)", "tests/export/test_parity.py::test_rounding_passes_however_large_the_logits_are"),
        ("any rounding is right", "LARGEST_ROUNDING = 1e-2", "LARGEST_ROUNDING = 1e2", "tests/export/test_parity.py::test_a_net_that_float32_cannot_compute_is_refused"),
    ),
    *rows(
        "vision/export/onnx.py", "tests/export/test_tensorrt.py",
        ("constants are not folded", "do_constant_folding=True", "do_constant_folding=False", "tests/export/test_tensorrt.py::test_the_export_keeps_every_clause"),
        ("copies of weights stay", "    without_copies(model)\n", "", "tests/export/test_tensorrt.py::test_weights_that_are_equal_are_given_to_every_layer_itself"),
    ),
    *rows(
        "vision/export/graph.py", "tests/export/test_graph.py",
        ("boxes clamped in the graph", "return self.scores(logits), boxes", "return self.scores(logits), boxes.clamp(0, 1)"),
    ),
    *rows(
        "vision/export/tensorrt.py", "tests/export/test_tensorrt.py",
        ("the largest integers alone are looked at", "array.min() >= INT32.min and array.max()", "array.max()"),
        ("the newest parser alone counts", "targets = targets_of(opset)", "targets = targets_of(opset)[-1:]"),
    ),
    *rows(
        "vision/export/tensorrt_operators.py", "tests/export/test_tensorrt.py tests/export/test_tensorrt_operators.py",
        ("unsigned weights are taken", '"INT64", "BOOL"})', '"INT64", "BOOL", "UINT8"})'),
        ("axes of Slice may be computed", '2: "ends", 3: "axes", 4: "steps"', '2: "ends", 4: "steps"'),
    ),
    *rows(
        "vision/export/contract.py", "tests/export/test_contract.py",
        ("any weight fits", "FP16_LARGEST = 65504.0", "FP16_LARGEST = 1e38"),
        ("a newer IR is taken", "model.ir_version > newest", "model.ir_version > newest + 1"),
    ),
    *rows(
        "vision/export/labels.py", "tests/export/test_labels.py",
        ("synset ids one character shorter", "_SYNSET_CHARACTERS = 10", "_SYNSET_CHARACTERS = 9"),
    ),
    *rows(
        "vision/export/detectnet.py", "tests/export/test_detectnet.py",
        ("boxes end at the border", "1.0 - 1.0 / np.array", "1.0 - 0.0 / np.array"),
        ("boxes merge from a half on", "MERGE_OVERLAP = 0.75", "MERGE_OVERLAP = 0.5"),
        ("merged over the smaller area", "larger = max(_area(a), _area(b))", "larger = min(_area(a), _area(b))"),
        ("another normalisation", "np.float32(127.5) - np", "np.float32(128) - np"),
        ("the first score of what is merged", "max(score, other_score)", "other_score"),
    ),
    *rows(
        "vision/engine/evaluation/coco_map.py", "tests/engine/evaluation/test_coco_map.py",
        ("the class table at ten detections", "_ALL_AREAS, _HUNDRED = 0, 2", "_ALL_AREAS, _HUNDRED = 0, 1"),
        ("the class axis in the order of labels", 'sorted(row["id"] for row in truth.categories)', '[row["id"] for row in truth.categories]'),
        ("ARs and ARm exchanged", '"ARs", "ARm", "ARl"', '"ARm", "ARs", "ARl"'),
        ("a class without objects scores 0", "if defined.size else UNDEFINED", "if defined.size else 0.0"),
        ("AP75 is AP70", "_IOU_50, _IOU_75 = 0, 5", "_IOU_50, _IOU_75 = 0, 4"),
    ),
    *rows(
        "vision/engine/evaluation/voc_ap.py", "tests/engine/evaluation/test_voc_ap.py",
        ("11 points taken as all points", "return _over_11_points(", "return _over_all_points("),
        ("a true box is used twice", "right[hits[first]] = True", "right[hits] = True"),
    ),
    *rows(
        "vision/engine/evaluation/ground_truth.py", "tests/engine/evaluation/test_coco_map.py",
        ("annotations numbered from 0", "enumerate(columns, start=1)", "enumerate(columns, start=0)"),
        ("crowds are objects", '"iscrowd": int(crowd)', '"iscrowd": 0'),
        ("what nobody has labelled is found wrongly", "results = results.only(~unjudged)", "pass"),
    ),
    *rows(
        "vision/engine/evaluation/backends.py", "tests/engine/evaluation/test_scoring.py",
        ("boxes in the order of the file", 'by_image.with_boxes(np.argsort(truth.box_image_ids, kind="stable"))', "by_image"),
        ("what other processes have matched is lost", "self._matched = type(self._matched).merge(one._matched for one in every)", "pass"),
    ),
    *rows(
        "vision/engine/evaluation/scoring.py", "tests/engine/evaluation/test_scoring.py",
        ("the thread outlives an interruption", "self._thread.shutdown(wait=True, cancel_futures=True)", "self._thread.shutdown(wait=False)"),
    ),
    *rows(
        "vision/engine/evaluation/results.py", "tests/engine/evaluation/test_predict.py tests/engine/evaluation/test_coco_map.py",
        ("boxes rounded to pixels", "BOX_DIGITS = 3", "BOX_DIGITS = 0"),
        ("scores rounded to a hundredth", "SCORE_DIGITS = 6", "SCORE_DIGITS = 2"),
    ),
    *rows(
        "vision/engine/evaluation/predict.py", "tests/engine/evaluation/test_predict.py",
        ("width and height exchanged", "height_width[:, [1, 0, 1, 0]]", "height_width[:, [0, 1, 0, 1]]"),
        ("a higher threshold", "SCORE_THRESHOLD = 0.01", "SCORE_THRESHOLD = 0.05"),
        ("labels in the place of ids", "categories[rows[:, 5].astype(np.int64)]", "rows[:, 5].astype(np.int64)"),
        ("frozen statistics move after a look at the net", "for module in training:", "for module in detector.modules():", "tests/engine/evaluation/test_predict.py::test_modules_that_stood_still_in_training_stand_still_afterwards"),
    ),
    *rows(
        "vision/engine/optim.py", "tests/engine/test_optim.py",
        ("warm-up begins at nothing", "return (step + 1) / self.warmup", "return step / self.warmup"),
        ("cosine forgets the warm-up", "(step - self.warmup) / max(1, self.horizon - self.warmup)", "step / max(1, self.horizon)"),
        ("a milestone one step late", "sum(step >= milestone", "sum(step > milestone"),
        ("biases decay", "(lambda p: p.dim() > 1)", "(lambda p: p.dim() > 0)"),
        ("rates of backbone and extras exchanged", '"base_net": config.base_net_lr or', '"base_net": config.extra_layers_lr or'),
    ),
    *rows(
        "vision/engine/model.py", "tests/engine/test_optim.py",
        ("another ramp", "((1 + n) / (10 + n)).clamp", "((1 + n) / (20 + n)).clamp"),
        ("no average of statistics", "use_buffers=True", "use_buffers=False"),
    ),
    *rows(
        "vision/images/convert.py", "tests/images/test_convert.py tests/images/test_decode.py",
        ("the low byte of 16 bits", "(array >> 8)", "(array & 255)"),
        ("CMYK is cut, not rounded", "(product + 127) // 255", "product // 255"),
    ),
    *rows(
        "vision/nn/blocks.py", "tests/nn/test_blocks.py tests/nn/backbones/test_mobilenet_v2.py",
        ("channels more than 10 % below", "rounded < 0.9 * wanted", "rounded < 0.5 * wanted"),
        ("no residual", "x + out if self.adds_input else out", "out"),
        ("batches of one use their own statistics", "input.shape[0] * input.shape[2] * input.shape[3] == 1", "False", "tests/ssd/test_model.py"),
        ("a cell of zeros has a gradient beyond float16", "clamp(1e-3 / self.SHRUNK, 65504.0)", "clamp(1e-10, 65504.0)", "tests/nn/test_necks.py"),
        ("resizing by corners", "(torch.arange(wanted, dtype=torch.float64, device=\"cpu\") + 0.5) * cells / wanted - 0.5", "torch.arange(wanted, dtype=torch.float64, device=\"cpu\") * cells / wanted", "tests/nn/test_necks.py"),
    ),
    *rows(
        "vision/nn/backbones/mobilenet_v2.py", "tests/nn/backbones/test_mobilenet_v2.py tests/ssd/test_model.py",
        ("tapped one block early", "EXPANSION: 14", "EXPANSION: 13"),
        ("one block fewer", "(6, 64, 4, 2)", "(6, 64, 3, 2)"),
    ),
    *rows(
        "vision/nn/necks/pyramids.py", "tests/nn/necks/test_pyramids.py",
        ("weights of a sum may be negative", "self.weights.relu()", "self.weights"),
        ("the path back forgets the way down", "[maps[coarse], middle[coarse]]", "[maps[coarse], maps[coarse]]"),
        ("a pyramid adds nothing from above", "merged[fine] + enlarged(", "merged[fine] + 0 * enlarged("),
    ),
    *rows(
        "vision/nn/necks/rfb.py", "tests/nn/test_necks.py",
        ("separable convolutions that are not", "relu=False, groups=channels)", "relu=False)"),
        ("no shortcut around a block", "merged + self.shortcut(x)", "merged"),
    ),
    *rows(
        "vision/nn/necks/yolo.py", "tests/nn/test_necks.py",
        ("maps of YOLOv3 coarsest first", "return found[::-1]", "return found"),
    ),
    *rows(
        "vision/ssd/cost.py", "tests/ssd/test_cost.py",
        ("multiply-adds counted as operations", "weights * height * width", "2 * weights * height * width"),
    ),
    *rows(
        "vision/nn/backbones/vgg16.py", "tests/nn/backbones/test_vgg16.py",
        ("rows of fc6 that are next to each other", "[::4, :, ::3, ::3]", "[::4, :, :3, :3]"),
        ("the third pooling rounds down", "ceil_mode=stage == 3", "ceil_mode=False"),
    ),
    *rows(
        "vision/nn/weights/pretrained.py", "tests/nn/weights/test_base_net.py",
        ("layers of stride 32 have to fit", "beside=base_net.begins_anew", "beside=()"),
    ),
    *rows(
        "vision/nn/initialise.py", "tests/nn/test_initialise.py",
        ("variance of what comes in", 'mode="fan_out"', 'mode="fan_in"'),
    ),
    *STAGES,
    *ENGINE,
)  # fmt: skip
