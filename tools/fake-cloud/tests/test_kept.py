"""What is kept for the next start is as good as what is read, or is read again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fake_cloud import kept


class Slow:
    """Something to read, and how often it was."""

    def __init__(self, answer):
        self.answer, self.count = answer, 0

    def __call__(self):
        self.count += 1
        return self.answer


def test_an_answer_is_read_once(tmp_path):
    slow = Slow({"a": [1, ("b", None, True)], "c": frozenset({"d"})})
    place = str(tmp_path / "not" / "there")
    assert kept.kept("x", "1", slow, place) == kept.kept("x", "1", slow, place) == slow.answer
    assert slow.count == 1


def test_another_key_or_name_is_another_answer(tmp_path):
    kept.kept("x", "1", Slow("old"), str(tmp_path))
    assert kept.kept("x", "2", Slow("new"), str(tmp_path)) == "new"
    assert kept.kept("y", "1", Slow("other"), str(tmp_path)) == "other"
    assert kept.kept("x", "1", Slow("never"), str(tmp_path)) == "old"


@pytest.mark.parametrize("harm", [lambda data: b"", lambda data: data[:-1], lambda data: data[:40] + b"?" + data[41:]])
def test_what_is_broken_is_read_again_and_mended(tmp_path, harm):
    kept.kept("x", "1", Slow(["whole" * 10]), str(tmp_path))
    [path] = tmp_path.iterdir()
    path.write_bytes(harm(path.read_bytes()))
    slow = Slow(["whole" * 10])
    assert kept.kept("x", "1", slow, str(tmp_path)) == kept.kept("x", "1", slow, str(tmp_path)) == slow.answer
    assert slow.count == 1


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path):
    place = tmp_path / "file"
    place.write_text("no folder")
    slow = Slow([1])
    assert kept.kept("x", "1", slow, str(place)) == kept.kept("x", "1", slow, str(place)) == [1]
    assert slow.count == 2


def test_the_systems_own_interpreter_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert kept.folder() == str(tmp_path / "kept")
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert kept.folder() is None


def test_only_so_much_is_kept(tmp_path):
    for number in range(kept._MAXIMUM + 5):
        kept.kept("x", str(number), Slow(number), str(tmp_path))
    assert len(list(tmp_path.iterdir())) == kept._MAXIMUM


def test_many_starters_at_once_all_get_the_whole_answer(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from fake_cloud import kept\n"
        "whole = ['long'] * 50_000\n"
        "for n in range(40): assert kept.kept('x', str(n % 4), lambda: whole, sys.argv[2]) == whole"
    )
    source = os.path.dirname(os.path.dirname(kept.__file__))
    run = [sys.executable, "-c", program, source, str(tmp_path)]
    starters = [subprocess.Popen(run) for _ in range(4)]
    assert [each.wait() for each in starters] == [0] * 4
    assert len(list(tmp_path.iterdir())) == 4


def test_a_key_tells_versions_names_and_sources_apart(tmp_path, monkeypatch):
    source, packages = tmp_path / "source.py", tmp_path / "site-packages"
    source.write_text("one")
    (packages / "azure_core-1.0.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(packages)])
    keys = [kept.key("azure_", ["a"], source), kept.key("azure_", ["b"], source), kept.key("boto", ["a"], source)]
    assert kept.key("azure_", ["a"], source) == keys[0]
    source.write_text("two")
    keys.append(kept.key("azure_", ["a"], source))
    (packages / "azure_core-1.0.dist-info").rename(packages / "azure_core-1.1.dist-info")
    keys.append(kept.key("azure_", ["a"], source))
    assert len(set(keys)) == 5
