"""One file of the user's own by its url and digest: no data root, the same guarantees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.command.run_stage import reported, say
from pipeline.command.working_folder import working_folder
from pipeline.download.logins import named_again, usable
from pipeline.space import require_space
from pipeline.stage import StageError
from pipeline.stop import Stop
from pipeline.transfer.fetch import Fetch
from pipeline.transfer.partial import bytes_here, remove_traces, traces
from pipeline.transfer.progress import Progress
from vision.artefacts.files import sha256_of
from vision.artefacts.targets import not_ours, require_file_place
from vision.messages.advice import command


@dataclass(frozen=True, slots=True)
class Download:
    """What was asked for; ``bytes`` None where the user does not know."""

    urls: tuple[str, ...]
    sha256: str
    bytes: int | None
    output: Path
    connections: int


def download_file(asked: Download) -> int:
    """Fetches ``asked.output``, or finds that it is there already, by its digest.

    A file of that name with another content is its owner's and stays. Gives the exit code: 0; 1 when no url gave the
    right bytes or something is in the way; 130 or 143 when interrupted, and then the same command resumes.
    """
    with Stop() as stop:

        def work() -> None:
            if asked.output.is_dir():  # also what has no name, such as "."
                raise StageError(
                    f"{asked.output} is a folder", "--output takes the name of a file", "name a file in it"
                )
            require_file_place(asked.output)
            with working_folder([asked.output, *traces(asked.output)], "downloading"):
                say(_download(asked, stop))

        return reported(work, stop)


def _download(asked: Download, stop: Stop) -> str:
    output = asked.output
    if _is_here(asked, stop):
        remove_traces(output)
        return f"{output}: already there, sha256 {asked.sha256}"
    _require_free(output)
    _require_space(asked)
    again = command("python -m pipeline.download", "--sha256", asked.sha256, "--output", output)
    urls = [usable(url, named_again(again, "--url", url)) for url in asked.urls]
    with Progress(output.name, asked.bytes, say) as progress:
        Fetch(
            urls, asked.bytes, asked.sha256, output, progress.update, stop, say,
            asked.connections, another="a second --url", wrong_size="check --bytes",
            require=_require_free,
        ).run()  # fmt: skip
    return f"{output}: {output.stat().st_size:,} bytes, sha256 {asked.sha256}"


def _require_free(output: Path) -> None:
    """Raises NotReplaced for whatever is there, also for what has come while the bytes did."""
    require_file_place(output)
    if output.exists():
        raise not_ours(
            output, "it has another SHA-256 than asked for, so it is not what is fetched", "--output"
        )


def _is_here(asked: Download, stop: Stop) -> bool:
    if not asked.output.is_file() or asked.bytes not in (None, asked.output.stat().st_size):
        return False
    return sha256_of(asked.output, stop.check) == asked.sha256


def _require_space(asked: Download) -> None:
    if asked.bytes is not None:
        needed = asked.bytes - bytes_here(asked.output)
        require_space(asked.output.parent, needed, "for it", "name another --output")
