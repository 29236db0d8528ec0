"""Which files are read, and what may stand in their place."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import ConfigErrors, Given, find, load
from pipeline.config import files as module
from pipeline.config.files import LARGEST_FILE, members, read_texts, signature


def error_of(path: Path) -> str:
    with pytest.raises(ConfigErrors) as caught:
        load(path, {})
    assert caught.value.file == str(path)
    (problem,) = caught.value.problems
    return problem.sentence


@pytest.fixture
def unreadable(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "secret.toml"
    file.touch(0o000)
    if os.geteuid() == 0:
        # root reads everything, so ask for what even root may not: a file under a file
        yield file / "x.toml"
    else:
        yield file


def test_a_file_that_cannot_be_read_is_told_in_one_sentence(
    tmp_path: Path, unreadable: Path
) -> None:
    assert error_of(tmp_path / "none.toml").startswith("there is no such file")
    assert "read" in error_of(unreadable)
    assert error_of(Path("a\0b")) == "no file has such a name"


def test_a_file_that_is_no_text_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    file.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigErrors, match=r"f\.toml:2: not UTF-8 text; save the file as UTF-8"):
        load(file, {})


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    with file.open("wb") as sparse:
        sparse.truncate(100 * 2**20)
    assert error_of(file) == f"larger than {LARGEST_FILE // 2**20} MiB; is this the configuration?"
    assert error_of(Path("/dev/zero")).startswith("larger than")


def test_the_file_is_the_one_given_then_the_environments() -> None:
    environ = {"DOCKLINE_CONFIG": "from-environment.toml"}
    assert find("given.toml", environ) == find(["given.toml"], environ)
    assert find("given.toml", environ) == Given((Path("given.toml"),))
    assert find(["a", "b"], environ) == Given((Path("a"), Path("b")))
    assert find(None, environ) == find([], environ) == Given((Path("from-environment.toml"),))


def test_the_default_file_is_used_only_where_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = tmp_path / "dockline.toml"
    monkeypatch.setattr("pipeline.config.files.DEFAULT_FILE", default)
    assert find(None, {"DOCKLINE_CONFIG": ""}) == Given()
    default.touch()
    assert find(None, {}) == Given((default,))


# --------------------------------------------------------------------------------- folders


def errors_of(*files: Path) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read_texts(Given(files))
    return [f"{Path(one.file).name}: {one.sentence}" for one in caught.value.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    return folder


def test_a_folder_stands_for_its_toml_files_sorted_and_no_others(folder: Path) -> None:
    for name in ("20-b.toml", "10-a.toml", "3.toml", "old.toml~", "a.txt", ".hidden.toml"):
        (folder / name).write_text(f"# {name}\n")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "c.toml").write_text("")
    texts = read_texts(Given((folder,)))
    assert [one.text for one in texts] == ["# 10-a.toml\n", "# 20-b.toml\n", "# 3.toml\n"]
    assert texts[0].file == f"{folder}/10-a.toml"


def test_files_are_read_in_the_order_in_which_they_are_given(folder: Path, tmp_path: Path) -> None:
    for file in (tmp_path / "z.toml", folder / "a.toml", tmp_path / "b.toml"):
        file.write_text("")
    given = Given((tmp_path / "z.toml", folder, tmp_path / "b.toml"))
    assert [Path(one.file).name for one in read_texts(given)] == ["z.toml", "a.toml", "b.toml"]


def test_an_empty_folder_adds_nothing_and_is_no_configuration_by_itself(
    folder: Path, tmp_path: Path
) -> None:
    (file := tmp_path / "a.toml").write_text("")
    assert len(read_texts(Given((file, folder)))) == 1
    assert errors_of(folder) == [
        "conf.d: no .toml file is in this folder; put one there, or name a file with -c"
    ]


def test_everything_that_is_wrong_in_a_folder_is_told_at_once(folder: Path) -> None:
    (folder / "a.toml").write_text("")
    os.mkfifo(folder / "fifo.toml")
    (folder / "folder.toml").mkdir()
    (folder / "loop.toml").symlink_to(folder / "loop.toml")
    (folder / "nowhere.toml").symlink_to(folder / "gone")
    (folder / "same.toml").symlink_to(folder / "a.toml")
    (folder / "zero.toml").symlink_to("/dev/zero")
    assert errors_of(folder) == [
        "fifo.toml: this is not a file; remove it from the folder",
        "folder.toml: this is a folder; only files in a folder are read",
        "loop.toml: this link leads in a circle",
        "nowhere.toml: this link leads nowhere",
        f"same.toml: this is the same file as {folder}/a.toml, which is read already",
        "zero.toml: this is not a file; remove it from the folder",
    ]


def test_a_file_that_vanishes_while_its_folder_is_read_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.toml").write_text("")

    def and_then_it_goes(path: Path) -> list[Path]:
        found = members(path)
        (folder / "a.toml").unlink()
        return found

    monkeypatch.setattr(module, "members", and_then_it_goes)
    assert errors_of(folder) == ["a.toml: it was removed while the folder was read; try again"]


def test_links_as_kubernetes_mounts_them_are_followed(folder: Path) -> None:
    (folder / "..1").mkdir()
    (folder / "..1" / "a.toml").write_text("# a")
    (folder / "..data").symlink_to("..1")
    (folder / "a.toml").symlink_to("..data/a.toml")
    assert [one.text for one in read_texts(Given((folder,)))] == ["# a"]


def test_a_folder_of_too_many_files_is_refused_before_they_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1001):
        (folder / f"{number}.toml").touch()
    expected = "conf.d: this folder has more than 1,000 .toml files; is this the configuration?"
    assert errors_of(folder) == [expected]
    monkeypatch.setattr(module, "MOST_ENTRIES", 100)
    expected = "conf.d: this folder has more than 100 files; is this the configuration?"
    assert errors_of(folder) == [expected]


def test_all_files_together_have_a_limit(folder: Path) -> None:
    for name in ("a", "b", "c"):
        (folder / f"{name}.toml").write_text("#" * (LARGEST_FILE // 3 + 1))
    (error,) = errors_of(folder)
    assert error.startswith("c.toml: larger than 4 MiB, with what is read before it; is this")


# ----------------------------------------------------------------------------------- pipes


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    writer = threading.Thread(target=fifo.write_text, args=("# from a pipe\n" * 10_000,))
    writer.start()
    (text,) = read_texts(Given((fifo,)))
    writer.join()
    assert text.text == "# from a pipe\n" * 10_000


def test_a_pipe_that_nobody_writes_into_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    os.mkfifo(fifo := tmp_path / "fifo")
    assert errors_of(fifo) == ["fifo: this pipe has not ended within 0.05 seconds"]


def test_a_pipe_that_was_read_before_is_no_empty_configuration() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    (error,) = errors_of(Path(f"/dev/fd/{reader}"))
    os.close(reader)
    assert error.endswith(": nothing came out of this pipe; a pipe can be read only once")


# ------------------------------------------------------------------------ whether they changed


def test_the_signature_of_a_folder_changes_with_its_files(folder: Path, tmp_path: Path) -> None:
    (file := tmp_path / "a.toml").write_text("")
    given = Given((file, folder))
    seen = [signature(given)]
    for change in (
        lambda: (folder / "b.toml").write_text("x"),
        lambda: (folder / "b.toml").write_text("xx"),
        lambda: (folder / "b.toml").rename(folder / "c.toml"),
        (folder / "c.toml").unlink,
    ):
        change()
        seen.append(signature(given))
    assert len(set(seen)) == 4
    assert seen[0] == seen[-1]
    (folder / "note.txt").touch()
    assert signature(given) == seen[0]
    (folder / "d.toml").symlink_to("nowhere")
    assert signature(given) not in (None, seen[0])
    (folder / "d.toml").unlink()
    folder.rename(tmp_path / "moved")
    assert signature(given) is None
