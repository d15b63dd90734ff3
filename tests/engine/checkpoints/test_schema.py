"""Well-formed checkpoints with a part that is wrong: named with file and part, nothing of them put back."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.tiny_runs import TINY
from tools import inspect_checkpoint
from vision.artefacts.files import facts_of
from vision.engine.checkpoints import schema
from vision.engine.checkpoints.checkpoint import _typed
from vision.engine.checkpoints.fit import _check_moment, _Misfit, load_to_go_on
from vision.engine.checkpoints.folder import CheckpointRecord, DamagedCheckpoint, RunFolder
from vision.engine.options.config import TrainConfig
from vision.engine.options.option import options_of

Train = Callable[..., int]
Content = dict[str, Any]


def stopped_run(root: Path, folder: Path, *words: str) -> Path:
    """Checkpoints of the first epoch's end and of a step of the second."""
    from train_ssd import main

    threads = torch.get_num_threads()
    line = [
        "--datasets",
        str(root),
        *TINY,
        "--checkpoint-folder",
        str(folder),
        "--stop-after-step",
        "5",
        *words,
    ]
    assert main(line) == 0
    torch.set_num_threads(threads)
    return folder


@pytest.fixture(scope="module")
def original(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stopped_run(miniature_root, tmp_path_factory.mktemp("parts") / "run")


@pytest.fixture(scope="module")
def content(original: Path) -> Content:
    return dict(torch.load(newest(original), weights_only=True))


@pytest.fixture(scope="module")
def adam(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Content:
    words = ("--optim-choose=Adam", "--stop-after-step=1")
    run = stopped_run(miniature_root, tmp_path_factory.mktemp("adam") / "run", *words)
    return dict(torch.load(newest(run), weights_only=True))


def newest(run: Path) -> Path:
    return run / RunFolder(run).records()[-1].file


def put(*path_and_value: Any) -> Callable[[Content], None]:
    """Sets the item at a path of keys."""
    *path, last, value = path_and_value

    def change(content: Any) -> None:
        for key in path:
            content = content[key]
        content[last] = value

    return change


def drop(*path: Any) -> Callable[[Content], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


def first_weight(content: Content) -> str:
    return next(iter(content["weights"]))


def drop_a_weight(content: Content) -> None:
    del content["weights"][first_weight(content)]


def add_a_weight(content: Content) -> None:
    content["weights"]["unicorn"] = torch.zeros(1)


def reshape_a_weight(content: Content) -> None:
    content["weights"][first_weight(content)] = torch.zeros(2, 3)


def halve_a_weight(content: Content) -> None:
    content["weights"][first_weight(content)] = content["weights"][first_weight(content)].half()


def reshape_an_average(content: Content) -> None:
    content["ema"]["weights"][first_weight(content)] = torch.zeros(2, 3)


def double_the_first_parameter(content: Content) -> None:
    content["optimizer"]["param_groups"][0]["params"][1] = 0


def negate_a_square(content: Content) -> None:
    content["optimizer"]["state"][3]["exp_avg_sq"].sub_(1)


SCHEMED = [
    (put("optimizer", {}), "optimizer: the key 'state' is missing"),
    (put("scheduler", {}), "scheduler: the key 'kind' is missing"),
    (put("scaler", {"scale": 1.0}), "scaler: the key 'growth_factor' is missing"),
    (put("ema", {"count": 1}), "ema: the key 'weights' is missing"),
    (put("rng", {}), "rng: the key 'python' is missing"),
    (put("rng", "torch", torch.zeros(16, dtype=torch.uint8)), "rng.torch"),
    (put("sampler", {}), "sampler: the key 'epoch' is missing"),
    (put("sampler", "step", "x"), "sampler.step: expected int, found str 'x'"),
    (put("step", -5), "step: expected 0 to 9007199254740992, found int -5"),
    (put("window", "unicorn", 1), "window: unknown key 'unicorn'"),
    (put("window", "sums", {"x": 1.0}), "window.sums: unknown key 'x'"),
    (put("best", {"metric": "AP", "value": 0.1, "epoch": 0, "since": 0}), "best: the key 'rank' is missing"),
    (drop("args", "t_max"), "args: missing t_max"),
    (put("args", "lr", 1e300), "args: --lr"),
    (put("args", "resolution", 5), "args: --resolution"),
    (put("metrics", {"AP": "high"}), "metrics.AP"),
    (put("threads", 10**9), "threads: expected 1 to 1024, found int 1000000000"),
]
"""What a part has to be whatever the net is."""

UNFIT = [
    (drop_a_weight, "weights: other tensors than the net's (missing 1, unknown 0)"),
    (add_a_weight, "unicorn"),
    (reshape_a_weight, "of shape (2, 3), the net has"),
    (halve_a_weight, "float16"),
    (reshape_an_average, "ema.weights."),
    (put("ema", {}), "ema: no average"),
    (put("optimizer", "state", 0, "momentum_buffer", torch.zeros(7)), "optimizer.state.0.momentum_buffer"),
    (put("optimizer", "state", 0, {}), "optimizer.state.0: expected momentum_buffer"),
    (put("optimizer", "state", 10**6, {}), "optimizer.state: parameter 1000000"),
    (drop("optimizer", "param_groups", 0), "optimizer.param_groups"),
    (double_the_first_parameter, "optimizer.param_groups: params"),
    (put("scheduler", "kind", "none"), "scheduler.kind"),
]
"""What can be found out only with the net that the arguments describe."""

MORE = [
    (put("weights", {}), "weights: expected at least 1 items, found 0"),
    (put("weights", "x", "y"), "weights.x: expected Tensor, found str 'y'"),
    (put("optimizer", "param_groups", [{}]), "optimizer.param_groups[0]"),
    (put("optimizer", "state", "x", {}), "optimizer.state"),
    (put("scheduler", "horizon", 0), "scheduler.horizon"),
    (put("scheduler", "gamma", float("nan")), "scheduler.gamma: expected a finite number"),
    (put("scheduler", "factor", 1), "scheduler: unknown key 'factor'"),
    (put("ema", "count", -1), "ema.count"),
    (put("rng", "torch", torch.full((5056,), 255, dtype=torch.uint8)), "rng: not the state of a generator"),
    (put("rng", "numpy", "position", 625), "rng.numpy.position"),
    (put("rng", "numpy", "keys", torch.full((624,), -1)), "rng.numpy.keys"),
    (put("rng", "python", "internal", [1, 2]), "rng.python.internal"),
    (put("rng", "cuda", [torch.zeros(3, dtype=torch.uint8)]), "rng.cuda[0]"),
    (put("sampler", "step", 99), "sampler.step: 99 of an epoch of 4 steps"),
    (put("sampler", "seed", 7), "sampler.seed"),
    (put("step", 500), "step: expected 5 by its sampler, found 500"),
    (put("step", True), "step: expected int, found bool True"),
    (put("epoch", 3), "epoch: 3"),
    (put("window", "sums", "total", None), "window.sums.total"),
    (put("args", "unicorn", 1), "args: unknown key 'unicorn'"),
    (put("classes", [1]), "classes"),
    (put("original_category_ids", [0]), "original_category_ids"),
    (put("versions", {"torch": 2}), "versions.torch"),
    (put("threads", 0), "threads"),
    (put("world_size", -1), "world_size"),
    (put("data", "train", "upright", -1), "data.train.upright: expected 0 to"),
    (drop("data", "validation"), "data: the key 'validation' is missing"),
]
"""The same, without the way through the commands."""


@pytest.mark.parametrize(("change", "said"), UNFIT + SCHEMED, ids=[said for _, said in UNFIT + SCHEMED])
def test_a_wrong_part_is_named_with_its_file(
    change: Callable[[Content], None],
    said: str,
    content: Content,
    tmp_path: Path,
    train: Train,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = copy.deepcopy(content)
    change(wrong)
    file = tmp_path / "COMBO_CHECKPOINT_x-Step-5.pth"
    torch.save(wrong, file)
    assert train("--resume", file) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"train_ssd.py: {file}: ") and said in message, message
    assert "Traceback" not in message and list(tmp_path.iterdir()) == [file]
    if (change, said) in SCHEMED:
        assert inspect_checkpoint.main([str(file)]) == 1
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(("change", "said"), MORE + SCHEMED, ids=[said for _, said in MORE + SCHEMED])
def test_every_part_has_its_types_keys_and_ranges(
    change: Callable[[Content], None], said: str, content: Content
) -> None:
    wrong = copy.deepcopy(content)
    change(wrong)
    with pytest.raises(DamagedCheckpoint, match=re.escape(f"x.pth: {said}")):
        _typed(wrong, Path("x.pth"))


@pytest.mark.parametrize("change", [drop_a_weight, put("step", -5)])
def test_in_a_run_folder_the_next_older_good_one_is_used(
    change: Callable[[Content], None],
    original: Path,
    tmp_path: Path,
    train: Train,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Path(shutil.copytree(original, tmp_path / "run"))
    bad, good = newest(run), RunFolder(run).records()[0]
    wrong = torch.load(bad, weights_only=True)
    change(wrong)
    torch.save(wrong, bad)
    facts = facts_of(bad)
    record = CheckpointRecord(bad.name, facts.sha256, facts.bytes, epoch=1, step=5, finished=False)
    RunFolder(run).write_records([good, record])
    assert train("--resume", bad) == 1
    assert f"--resume {run}" in capsys.readouterr().err
    assert train("--resume", run, "--stop-after-step", 5) == 0
    said = capsys.readouterr().out
    assert f"damaged checkpoint skipped: {bad}" in said and good.file in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            drop("optimizer", "state", 0, "exp_avg_sq"),
            r"optimizer\.state\.0: expected exp_avg, exp_avg_sq, step",
        ),
        (put("optimizer", "state", 0, "step", torch.zeros(3)), r"optimizer\.state\.0\.step"),
        (put("optimizer", "state", 0, "step", torch.tensor(True)), r"optimizer\.state\.0\.step"),
        (put("optimizer", "state", 0, "step", torch.tensor(-1.0)), r"optimizer\.state\.0\.step"),
        (put("optimizer", "state", {}), r"optimizer\.state: no moments after 1 step of"),
        (drop("optimizer", "state", 7), r"optimizer\.state: moments of 123 of 124 parameters"),
        (negate_a_square, r"optimizer\.state\.3\.exp_avg_sq: a square that is negative"),
        (put("optimizer", "state", 0, "exp_avg", None), r"optimizer\.state\.0\.exp_avg"),
    ],
)
def test_the_moments_of_adam_too(
    change: Callable[[Content], None], said: str, adam: Content, tmp_path: Path
) -> None:
    wrong = copy.deepcopy(adam)
    change(wrong)
    torch.save(wrong, tmp_path / "x.pth")
    with pytest.raises(DamagedCheckpoint, match=said):
        load_to_go_on(tmp_path / "x.pth")


def test_what_the_trainer_writes_fits(adam: Content, content: Content, tmp_path: Path) -> None:
    for one in (adam, content):
        torch.save(one, tmp_path / "x.pth")
        assert load_to_go_on(tmp_path / "x.pth").step == one["step"]


FIRST_OPTIONS = frozenset(
    [
        "dataset_type",
        "augment",
        "net",
        "mb2_width_mult",
        "resolution",
        "priors",
        "base_net",
        "pretrained_ssd",
        "batch_size",
        "accumulate",
        "optim_choose",
        "lr",
        "base_net_lr",
        "extra_layers_lr",
        "momentum",
        "dampening",
        "nesterov",
        "betas",
        "eps",
        "amsgrad",
        "weight_decay",
        "decay_norm",
        "clip_grad",
        "freeze_base_net",
        "freeze_net",
        "freeze_bn",
        "scheduler",
        "warmup_steps",
        "milestones",
        "gamma",
        "t_max",
        "ema",
        "nan",
        "seed",
        "amp",
        "channels_last",
        "deterministic",
        "compile",
        "parallel",
        "sync_bn",
        "threads",
    ]
)
"""Options that change numbers and that every checkpoint of format 1 has."""


def test_checkpoints_from_before_an_option_stay_good() -> None:
    rules = {name: option.resume for name, option in options_of(TrainConfig).items()}
    decide = {name for name, rule in rules.items() if rule in ("fixed", "named")}
    assert decide - schema.YOUNGER_OPTIONS == FIRST_OPTIONS, (
        "a new option that changes numbers goes into YOUNGER_OPTIONS: older checkpoints do not have it"
    )


def test_an_option_that_changes_no_number_may_be_missing(content: Content) -> None:
    older = copy.deepcopy(content)
    del (
        older["args"]["map_epochs"],
        older["args"]["keep_checkpoints"],
        older["validation_digest"],
        older["data"],
    )
    assert _typed(older, Path("x.pth")).validation_digest == "" and _typed(older, Path("x.pth")).exif is None


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 1), (6,), (), (1, 3)])
def test_a_moment_has_the_shape_of_its_parameter(shape: tuple[int, ...]) -> None:
    _check_moment("exp_avg", torch.zeros(2, 3), torch.ones(2, 3))
    with pytest.raises(_Misfit, match="the net has float32 of shape"):
        _check_moment("exp_avg", torch.zeros(shape), torch.ones(2, 3))
