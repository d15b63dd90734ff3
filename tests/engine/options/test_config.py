"""Options: order of strength, messages, and what is refused."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

from vision.engine.options.combinations import TAKEN
from vision.engine.options.config import TrainConfig, build, parse, run_folder
from vision.engine.options.option import check_value, flag_of, options_of, read_mapping, to_mapping


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said while leaving with 2."""
    with pytest.raises(SystemExit) as left:
        parse(words)
    assert left.value.code == 2
    return capsys.readouterr().err


def test_the_ancestors_command_line_is_understood() -> None:
    line = (
        "--dataset-type=coco --data=coco-data --net=mb2-ssd-lite --num-epochs=100 --num-workers=12 "
        "--model-dir=models/x --learning-rate 0.01 --milestones 80,100 --betas 0.8 0.9 --use-cuda false"
    )
    config = parse(line.split()).config
    assert (config.epochs, config.workers, config.lr, config.milestones) == (100, 12, 0.01, (80, 100))
    assert (config.betas, config.use_cuda, config.datasets) == ((0.8, 0.9), False, ("coco-data",))


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["--t-max=100.0"], "t_max", 100),
        (["--t_max", "1e2"], "t_max", 100),
        (["--t-max", "None"], "t_max", None),
        (["--base-net-lr", "None"], "base_net_lr", None),
        (["--base_net_lr=0.001"], "base_net_lr", 0.001),
        (["--extra_layers_lr", "none"], "extra_layers_lr", None),
        (["--base-net", "None"], "base_net", None),
        (["--pretrained_ssd=None"], "pretrained_ssd", None),
        (["--resume", "None"], "resume", None),
        (["--patience=None"], "patience", None),
        (["--num_epochs", "30.0"], "epochs", 30),
        (["--num_workers=2"], "workers", 2),
        (["--batch_size", "5"], "batch_size", 5),
        (["--dataset_type", "coco"], "dataset_type", "coco"),
        (["--use_cuda", "True"], "use_cuda", True),
        (["--use-cuda=False"], "use_cuda", False),
        (["--freeze_base_net"], "freeze_base_net", True),
        (["--freeze_base_net", "True"], "freeze_base_net", True),
        (["--no_nesterov"], "nesterov", False),
        (["--validation-mean-ap=True"], "validation_mean_ap", True),
        (["--validation_mean_ap"], "validation_mean_ap", True),
        (["--milestones", "80,100"], "milestones", (80, 100)),
        (["--milestones", "80, 100"], "milestones", (80, 100)),
        (["--milestones=[80, 100]"], "milestones", (80, 100)),
        (["--milestones", "(80.0, 100.0)"], "milestones", (80, 100)),
        (["--betas", "(0.8, 0.9)"], "betas", (0.8, 0.9)),
        (["--betas", "0.8", "0.9"], "betas", (0.8, 0.9)),
        (["--resolution=512.0"], "resolution", (512,)),
        (["--scheduler", "none"], "scheduler", "none"),
    ],
)
def test_values_are_taken_as_the_ancestors_wrote_them(
    words: list[str], field: str, value: object, tmp_path: Path
) -> None:
    found = getattr(parse(words).config, field)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "t_max: 100.0",
        "t_max: None",
        "base_net_lr: None",
        "milestones: [80.0, 100]",
        "milestones: '[80, 100]'",
    ],
)
def test_a_recipe_takes_them_too(text: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(f"{text}\n")
    config = parse(["--config", str(tmp_path / "recipe.yaml")]).config
    assert config.t_max in (100, None) and config.base_net_lr is None and config.milestones == (80, 100)


def test_default_then_recipe_then_command_line(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("lr: 1e-2\nbatch-size: 8\nmilestones: [3, 4]\n")
    parsed = parse(["--config", str(recipe), "--batch-size", "16"])
    assert (parsed.config.lr, parsed.config.batch_size, parsed.config.milestones) == (0.01, 16, (3, 4))
    assert parsed.config.epochs == TrainConfig().epochs
    assert parsed.explicit == {"lr", "batch_size", "milestones"}


@pytest.mark.parametrize(
    ("encoding", "taken"), [("utf-8-sig", True), ("utf-16", False), ("utf-16-le", False)]
)
def test_a_recipe_of_a_tool_on_windows(
    encoding: str, taken: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("lr: 0.5\nepochs: 3\n", encoding=encoding)
    if taken:
        assert parse(["--config", str(recipe)]).config.lr == 0.5
    else:
        assert "UTF-16, UTF-32 or zeros; expected UTF-8: save it as that" in refused(
            ["--config", str(recipe)], capsys
        )


def test_none_means_no_weights(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("base_net: backbone.pth\npretrained_ssd: none\n")
    assert parse(["--config", str(recipe)]).config.base_net == "backbone.pth"
    config = parse(["--config", str(recipe), "--base-net", "none"]).config
    assert (config.base_net, config.pretrained_ssd) == (None, None)


def test_printed_configuration_is_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse(["--print-config", "--lr=0.3", "--resolution", "320", "240"])
    assert left.value.code == 0
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(capsys.readouterr().out)
    assert parse(["--config", str(recipe)]).config == parse(["--lr=0.3", "--resolution", "320", "240"]).config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epocs: 3\n", ["recipe.yaml", "'epocs'", "did you mean 'epochs'"]),
        ("epochs: many\n", ["recipe.yaml", "epochs", "expected int", "'many'"]),
        ('datasets: ["a\\0b"]\n', ["recipe.yaml", "datasets: expected text without NUL", "'a\\x00b'"]),
        ('checkpoint-folder: "a\\0b"\n', ["recipe.yaml", "checkpoint-folder: expected text without NUL"]),
        ('resume: ""\n', ["recipe.yaml", "resume: expected text", "found ''"]),
        ("epochs: true\n", ["epochs", "expected int", "bool"]),
        ("lr: .nan\n", ["--lr", "finite"]),
        ("epochs: 3\nnum-epochs: 4\n", ["twice"]),
        ("epochs: 3\nepochs: 4\n", ["epochs", "twice"]),
        ("- 3\n", ["expected option names"]),
        ("a: [\n", ["cannot be read as YAML: line 2: "]),
        ("x: !!python/object/apply:os.system [true]\n", ["cannot be read as YAML: line 1: "]),
    ],
)
def test_a_wrong_recipe_is_refused_by_name(
    text: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text)
    message = refused(["--config", str(recipe)], capsys)
    assert all(word in message for word in said), message


@pytest.mark.parametrize("kind", ["absent", "folder", "bytes"])
def test_a_recipe_that_cannot_be_read_is_said_in_two_lines(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "bytes":
        path.write_bytes(b"lr: \xff\n")
    said = refused(["--config", str(path)], capsys)
    assert f"--config {path} cannot be read: " in said and "Errno" not in said and len(said.splitlines()) == 2
    why = {
        "absent": "there is no file ",
        "folder": f"{path} is a folder, not a file",
        "bytes": "it is not UTF-8 text",
    }
    assert why[kind] in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--net mb2_ssd", ["no net is called 'mb2_ssd': did you mean 'mb2-ssd-lite' or"]),
        ("--net mb7-ssd-lite", ["no net is called 'mb7-ssd-lite'", "python -m tools.models"]),
        ("--net=", ["--net", "the value is empty"]),
        (
            "--net yolo-v3-vgg16",
            ["yolo-v3 does not stand on vgg16", "why: ", "maps of stride 8, 16, 32", "there is: "],
        ),
        (
            "--net ssd-vgg16 --priors ancestor",
            ["no prior profile is called 'ancestor': ssd-vgg16 has coco, published"],
        ),
        ("--heads some", ["--heads 'some'", "full, lite"]),
        ("--net mb2-ssd-lit", ["did you mean 'mb2-ssd-lite'?"]),
        ("--dataset_type vok", ["--dataset-type 'vok': did you mean 'voc'? there is coco, voc"]),
        ("--balance_data x", ["--balance-data", "expected true or false, found 'x'"]),
        ("--t-max 99.5", ["--t-max", "a whole number", "'99.5'"]),
        ("--t-max inf", ["--t-max", "a whole number"]),
        ("--lr None", ["--lr", "expected a number, found 'None'"]),
        ("--milestones []", ["--milestones", "expected numbers"]),
        ("--epocs 3", ["--epocs", "did you mean '--epochs'"]),
        ("--epoch 3", ["--epoch"]),
        ("--lr fast", ["--lr", "expected a number", "'fast'"]),
        ("--epochs 0", ["--epochs 0", "at least 1"]),
        ("--lr 0", ["--lr 0", "above 0"]),
        *((f"{flag} 9", ["error: --width-mult 9.0: must"]) for flag in ("--width-mult", "--mb2-width-mult")),
        ("--optim-choose SDG", ["SDG", "did you mean 'SGD'"]),
        ("--betas 0.9", ["--betas takes two"]),
        ("--betas 0.9 1", ["--betas must be below 1"]),
        ("--resolution 1 2 3", ["--resolution"]),
        ("--milestones 5,3", ["--milestones", "rise"]),
        ("--device tpu", ["--device tpu", "cuda:N"]),
        ("--device cuda --use-cuda false", ["--device cuda", "--use-cuda false"]),
        ("--device cpu --amp fp16", ["--amp fp16"]),
        ("--nesterov --dampening 0.1", ["--nesterov", "--dampening"]),
        *(
            (f"--resume {word}", [f"--resume {word}: ", "auto, or none for a fresh start"])
            for word in ("no", "False", "true", "OFF")
        ),
        ("--resume=", ["--resume", "the value is empty"]),
        ("--base-net=", ["--base-net", "the value is empty"]),
        ("--base-net a --pretrained-ssd b", ["--base-net", "--pretrained-ssd"]),
    ],
)
def test_a_wrong_command_line_is_refused_by_name(
    line: str, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(line.split(), capsys)
    assert all(word in message for word in said), message


@pytest.mark.parametrize("flag", ["--balance_data", "--balance-data"])
def test_balance_is_asked_for_with_one_word(flag: str) -> None:
    assert parse([flag]).config.balance_data and not parse([]).config.balance_data


def test_every_option_has_help_and_a_resume_rule() -> None:
    for name, option in options_of(TrainConfig).items():
        assert option.help and option.resume, name
    assert dataclasses.is_dataclass(TrainConfig) and build({}) == TrainConfig()


def test_every_number_has_bounds() -> None:
    hints = get_type_hints(TrainConfig)
    numbers = {
        name: option
        for name, option in options_of(TrainConfig).items()
        if set(re.findall(r"int|float", str(hints[name]))) and not option.choices
    }
    assert {"lr", "threads", "epochs", "resolution", "clip_grad"} <= set(numbers)
    for name, option in numbers.items():
        assert option.high is not None and (option.low is not None or option.above is not None), name
        beyond = int(option.high) + 1
        for value in (beyond, float(beyond), 10**400, float("inf"), float("nan")):
            with pytest.raises(ValueError, match=flag_of(name)):
                check_value(name, value, option)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--lr 1e39", ["--lr 1e+39", "at most 100.0"]),
        ("--threads 1000000000", ["--threads 1000000000", "at most 1024"]),
        ("--epochs 1" + "0" * 400, ["--epochs 1000", "at most 1000000"]),
        ("--device cuda:99999999999", ["--device cuda:99999999999", "cuda:N"]),
    ],
)
def test_what_would_overflow_is_refused_by_name(
    line: str, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(line.split(), capsys)
    assert all(word in message for word in said), message


@pytest.mark.parametrize("text", ["lr: 1" + "0" * 400, "lr: 1.0e+300", "threads: 1000000000"])
def test_a_recipe_has_the_same_bounds(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    assert text.split(":")[0] in refused(["--config", str(tmp_path / "recipe.yaml")], capsys)


def test_plain_values_come_back() -> None:
    config = build({"milestones": (2, 5), "t_max": 7, "pretrained_ssd": None})
    assert build(read_mapping(TrainConfig, to_mapping(config), "here")) == config


def test_the_run_folder_can_hold_the_nets_name() -> None:
    assert run_folder(TrainConfig()) == Path("models/mb2-ssd-lite")


def test_help_does_not_import_torch_and_makes_nothing(tmp_path: Path, repository: Path) -> None:
    code = "import sys, train_ssd\ntry: train_ssd.main(['--help'])\nexcept SystemExit: sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": str(repository), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"--resume" in done.stdout and list(tmp_path.iterdir()) == []


def test_a_net_has_its_own_size_and_channels_unless_told() -> None:
    """The classroom net's are grey and not square; a recipe or the command line wins."""
    own = build({"net": "classroom"})
    assert (own.resolution, own.channels, own.box_regression) == ((128, 64), 1, True)
    told = build({"net": "classroom", "channels": 3, "resolution": (96,), "box_regression": False})
    assert (told.resolution, told.channels, told.box_regression) == ((96,), 3, False)
    assert build({"net": "ssd-fpn-mobilenet-v2"}).resolution == (320,)


def test_a_net_in_another_spelling_is_kept_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("net: SSD-Mobilenet-v1\n")
    for words in (["--net=SSD-Mobilenet-v1"], [f"--config={tmp_path / 'recipe.yaml'}"]):
        parsed = parse(words)
        assert parsed.config.net == "ssd-mobilenet-v1"
        assert run_folder(parsed.config) == Path("models/ssd-mobilenet-v1")
        assert parsed.notes == ("--net SSD-Mobilenet-v1: taken as ssd-mobilenet-v1",)
    assert parse(["--net=ssd-mobilenet-v1"]).notes == parse([]).notes == ()


@pytest.mark.parametrize("flag", TAKEN)
def test_what_changes_no_number_is_taken_and_said(flag: str) -> None:
    for words in ([flag], [f"{flag}=true"], [flag.replace("-", "_").replace("__", "--"), "debug", "--lr=1"]):
        parsed = parse(words)
        assert parsed.notes == (f"{flag} {TAKEN[flag]}",) and parsed.explicit <= {"lr"}


def test_voc_and_open_images_have_the_defaults_of_their_trainers() -> None:
    """qfgaohao's and dusty-nv's know SGD alone; a net that is named to start from has a slower backbone, as there."""
    plain = parse(["--dataset-type=open_images"]).config
    assert (plain.optim_choose, plain.lr, plain.base_net_lr, plain.scheduler) == ("SGD", 0.01, None, "cosine")
    tuned = ["--dataset-type=voc", "--pretrained-ssd=x.pth"]
    assert parse(tuned).config.base_net_lr == 0.001 and parse([*tuned, "--lr=0.1"]).config.base_net_lr is None
    assert parse([*tuned, "--optim-choose=Adam"]).config == dataclasses.replace(
        TrainConfig(), dataset_type="voc", pretrained_ssd="x.pth"
    )
    assert parse(["--dataset-type=yolo"]).config.optim_choose == parse([]).config.optim_choose == "Adam"
