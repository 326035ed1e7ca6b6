from itertools import islice
from pathlib import Path

from tradsys.log_files import follow, last_lines


def test_the_last_lines_of_a_long_file(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert last_lines(log, 2) == ["line 99998", "line 99999"]
    assert last_lines(log, 0) == []
    assert last_lines(tmp_path / "none.log", 5) == []


def test_a_line_longer_than_what_is_read_is_shown_in_part(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("x" * 10_000 + "end\n")
    (line,) = last_lines(log, 1)
    assert line.endswith("xend")


def test_following_survives_rotation_and_unfinished_lines(tmp_path: Path) -> None:
    log = tmp_path / "risk.log"
    log.write_text("old\n")

    def events() -> None:
        step = next(steps)
        if step == "rotate":
            log.rename(tmp_path / "risk.log.1")
            log.write_text("first of the new file\n")
        else:
            with log.open("a") as file:
                file.write(step)

    steps = iter(["new\n", "unfin", "ished\n", "rotate"])
    followed = follow([log, tmp_path / "never-written.log"], events)
    assert [line for _, line in islice(followed, 3)] == ["new", "unfinished", "first of the new file"]
