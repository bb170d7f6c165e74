from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from storage.errors import SourceError, UnavailableSourceError
from tasks.sources import keras_imdb
from tasks.sources.base import Reviews
from tasks.sources.keras_imdb import download, keras_cache, read_imdb

WriteNpz = Callable[..., Path]


def read(path: Path, max_bytes: int = 2**30) -> Reviews:
    return read_imdb(path, line="imdb", reason="a test", max_bytes=max_bytes)


def refusal(path: Path, max_bytes: int = 2**30) -> str:
    """The message with which a file is refused: one line, a sentence, and it names the file."""
    with pytest.raises(SourceError) as caught:
        read(path, max_bytes)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


def replace_member(path: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, old in members.items():
            archive.writestr(member, content if member == name else old)


def npy(content: bytes, header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n" + content


OBJECT_HEADER = "{'descr': '|O', 'fortran_order': False, 'shape': (4,), }"


class Calls:
    """Unpickling it calls a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


# Good files.


@pytest.mark.parametrize("compressed", [False, True])
def test_a_small_file_is_read(write_npz: WriteNpz, compressed: bool) -> None:
    path = write_npz(compressed=compressed)
    reviews = read(path)
    assert [reviews.train.tokens.row(index).tolist() for index in range(4)] == [[1, 2], [3], [4, 5, 6], [7, 7]]
    assert [reviews.test.tokens.row(index).tolist() for index in range(2)] == [[8], [9, 10]]
    assert reviews.train.labels.tolist() == [0, 1, 0, 1]
    assert reviews.test.labels.tolist() == [1, 0]
    assert reviews.train.labels.dtype == np.uint8
    assert (reviews.line, reviews.reason, reviews.origin) == ("imdb", "a test", str(path))
    assert reviews.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_object_arrays_that_numpy_1_pickled_are_read(write_npz: WriteNpz) -> None:
    path = write_npz()
    array = np.empty(4, dtype=object)
    array[:] = [[1, 2], [3], [4, 5, 6], [7, 7]]
    content = pickle.dumps(array, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core.multiarray" in content
    replace_member(path, "x_train.npy", npy(content, OBJECT_HEADER))
    assert read(path).train.tokens.values.tolist() == [1, 2, 3, 4, 5, 6, 7, 7]


@pytest.mark.parametrize("row", [(1, 2), np.array([1, 2]), np.array([1, 2], dtype=np.uint16)])
def test_a_review_may_be_a_tuple_or_an_array_of_whole_numbers(write_npz: WriteNpz, row: Any) -> None:
    assert read(write_npz(x_train=[row, [3], [4], [5]])).train.tokens.row(0).tolist() == [1, 2]


@pytest.mark.parametrize(
    "labels",
    [[0.0, 1.0, 0.0, 1.0], [False, True, False, True], np.array([0, 1, 0, 1], dtype=object)],
    ids=["floats", "booleans", "objects"],
)
def test_labels_may_have_any_type_if_they_are_0_and_1(write_npz: WriteNpz, labels: Any) -> None:
    read_labels = read(write_npz(y_train=labels)).train.labels
    assert read_labels.tolist() == [0, 1, 0, 1]
    assert read_labels.dtype == np.uint8


# Files that are no such file.


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "there is no file" in refusal(tmp_path / "absent.npz")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert "there is no file" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK", b"label,text\n1,good\n" * 100], ids=["empty", "two bytes", "a table"])
def test_what_is_not_a_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "reviews.npz"
    path.write_bytes(content)
    assert "not a complete .npz file" in refusal(path)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
def test_a_truncated_file_is_refused(write_npz: WriteNpz, share: float, compressed: bool) -> None:
    path = write_npz(x_train=[list(range(1, 300))] * 4, compressed=compressed)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "may be truncated" in refusal(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_changed_byte_in_the_reviews_is_refused(write_npz: WriteNpz, compressed: bool) -> None:
    rows = np.random.default_rng(0).integers(1, 50_000, (4, 500)).tolist()
    path = write_npz(x_train=rows, compressed=compressed)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_changed_byte_anywhere_raises_nothing_but_a_source_error(write_npz: WriteNpz, compressed: bool) -> None:
    path = write_npz(compressed=compressed)
    content = path.read_bytes()
    refused = 0
    for position in range(0, len(content), 7):
        changed = bytearray(content)
        changed[position] ^= 0xFF
        path.write_bytes(changed)
        try:
            read(path)
        except SourceError:
            refused += 1
    assert refused > len(content) / 7 / 4


@pytest.mark.parametrize("key", ["x_train", "y_train", "x_test", "y_test"])
def test_a_missing_array_is_named(write_npz: WriteNpz, key: str) -> None:
    message = refusal(write_npz(**{key: None}))
    assert f"has no {key}:" in message
    assert "found" in message


@pytest.mark.parametrize(
    "header",
    ["{'descr': '|O'", "{'descr': '|O', 'shape': (4,)}", "__import__('os').system('true')", "'''", ""],
    ids=["cut", "incomplete", "code", "open string", "empty"],
)
def test_a_damaged_array_header_is_refused(write_npz: WriteNpz, header: str) -> None:
    path = write_npz()
    replace_member(path, "x_train.npy", npy(b"", header))
    assert "x_train" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"\x93NUM", b"\x93NUMPY\x07\x00\x00\x00", b"no array at all"])
def test_a_member_that_is_no_array_is_refused(write_npz: WriteNpz, content: bytes) -> None:
    path = write_npz()
    replace_member(path, "y_test.npy", content)
    assert "y_test" in refusal(path)


# Arrays of the wrong shape.


@pytest.mark.parametrize("labels", [[0, 1, 0], [0, 1, 0, 1, 0]], ids=["one too few", "one too many"])
def test_reviews_and_labels_of_different_lengths_are_refused(write_npz: WriteNpz, labels: list[int]) -> None:
    message = refusal(write_npz(y_train=labels))
    assert f"x_train has 4 reviews and y_train {len(labels)} labels" in message


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_empty_split_is_refused(write_npz: WriteNpz, split: str) -> None:
    assert f"x_{split} is empty" in refusal(write_npz(**{f"x_{split}": [], f"y_{split}": []}))


@pytest.mark.parametrize(
    "reviews",
    [
        np.ones((4, 2), dtype=np.int64),
        np.ones((4, 2), dtype=object),
        np.array([1, 2, 3, 4]),
        np.array([1.0, 2.0, 3.0, 4.0]),
        np.array(["a", "b", "c", "d"]),
        np.array(3),
    ],
    ids=["matrix", "matrix of objects", "numbers", "floats", "strings", "scalar"],
)
def test_reviews_that_are_no_list_of_lists_are_refused(write_npz: WriteNpz, reviews: Any) -> None:
    assert "x_train" in refusal(write_npz(x_train=reviews))


@pytest.mark.parametrize("labels", [[[0], [1], [0], [1]], 1], ids=["a column", "a scalar"])
def test_labels_that_are_no_list_are_refused(write_npz: WriteNpz, labels: Any) -> None:
    assert "y_train" in refusal(write_npz(y_train=np.array(labels)))


# Contents that are not labelled reviews.


@pytest.mark.parametrize(
    ("labels", "row"),
    [
        ([0, 1, 2, 1], 2),
        ([-1, 1, 0, 1], 0),
        (np.array([0, 1, 0, 255], dtype=np.uint8), 3),
        ([0, 1, 0.5, 1], 2),
        ([0, np.nan, 0, 1], 1),
        (["neg", "pos", "neg", "pos"], 0),
        (["0", "1", "0", "1"], 0),
        (np.array([0, 1, None, 1], dtype=object), 2),
        (np.array([0, 1, 0, "1"], dtype=object), 3),
    ],
    ids=["2", "-1", "255", "half", "NaN", "words", "digits as strings", "None", "a string among numbers"],
)
def test_a_label_other_than_0_and_1_is_named(write_npz: WriteNpz, labels: Any, row: int) -> None:
    assert f"row {row} of y_train has the label" in refusal(write_npz(y_train=labels))


def test_an_empty_review_is_named(write_npz: WriteNpz) -> None:
    message = refusal(write_npz(x_train=[[1], [2], [], []]))
    assert "2 reviews of x_train are empty, the first is row 2" in message


def test_a_review_that_is_none_is_refused(write_npz: WriteNpz) -> None:
    assert "x_train" in refusal(write_npz(x_train=[[1], None, [2], [3]]))


@pytest.mark.parametrize("rank", [0, -1, -(2**31)])
def test_a_rank_below_1_is_named_with_its_row(write_npz: WriteNpz, rank: int) -> None:
    assert f"row 1 of x_test has the word rank {rank}" in refusal(write_npz(x_test=[[1, 2], [3, rank]]))


def test_the_smallest_and_the_largest_rank_are_read(write_npz: WriteNpz) -> None:
    assert read(write_npz(x_test=[[1], [2**31 - 1]])).test.tokens.values.tolist() == [1, 2**31 - 1]


@pytest.mark.parametrize(
    "row",
    [[1.5, 2], np.array([1.5, 2.0]), [float("nan")], [2**31], [2**70], [[1]], ["one"], "one", [True], [None, 1], 5],
    ids=[
        *("float", "array of floats", "NaN", "33 bits", "71 bits", "nested", "string", "text", "boolean", "none"),
        "number",
    ],
)
def test_a_review_must_be_a_list_of_whole_numbers(write_npz: WriteNpz, row: Any) -> None:
    assert "x_train must hold lists of whole numbers" in refusal(write_npz(x_train=[[1], row, [2], [3]]))


# Size.


def test_the_bound_on_the_unpacked_size_holds_on_both_sides(write_npz: WriteNpz) -> None:
    path = write_npz(compressed=True)
    with zipfile.ZipFile(path) as archive:
        size = sum(info.file_size for info in archive.infolist())
    assert len(read(path, max_bytes=size).train.labels) == 4
    assert "data.max_uncompressed_bytes" in refusal(path, max_bytes=size - 1)


def test_a_small_file_that_unpacks_to_much_is_refused(write_npz: WriteNpz) -> None:
    path = write_npz(y_train=np.zeros(20_000_000, dtype=np.uint8), compressed=True)
    assert path.stat().st_size < 100_000
    assert "would unpack to 20,0" in refusal(path, max_bytes=1_000_000)


def test_a_file_that_lies_about_its_size_is_refused(write_npz: WriteNpz) -> None:
    path = write_npz(y_train=np.zeros(20_000_000, dtype=np.uint8), compressed=True)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"y_train.npy"))
    struct.pack_into("<I", content, entry + 24, 1000)  # the unpacked size in the zip's directory
    path.write_bytes(content)
    refusal(path, max_bytes=1_000_000)


# Pickles that would do something.


def attacks(marker: Path) -> dict[str, Calls]:
    return {
        "a command": Calls(os.system, f"touch {marker}"),
        "Python code": Calls(exec, f"open({str(marker)!r}, 'w').close()"),
        "a file": Calls(np.save, str(marker), 1),
    }


@pytest.mark.parametrize("key", ["x_train", "y_test"])
@pytest.mark.parametrize("attack", ["a command", "Python code", "a file"])
def test_a_pickle_that_runs_something_is_refused_and_runs_nothing(
    write_npz: WriteNpz, tmp_path: Path, attack: str, key: str
) -> None:
    marker = tmp_path / "done.npy"
    array = np.empty(2, dtype=object)
    array[:] = [[1], attacks(marker)[attack]]
    path = write_npz(**{key: array})
    assert f"{key} is not an array of numbers or of lists (it asks for" in refusal(path)
    assert not marker.exists()
    # The attack is a real one: who trusts the file runs it.
    with np.load(path, allow_pickle=True) as archive, contextlib.suppress(Exception):
        _ = archive[key]
    assert marker.exists()


@pytest.mark.parametrize(
    "call",
    [
        Calls(np.ndarray, "four"),
        Calls(np.dtype, "no such type"),
        Calls(np.ndarray, 10**14),
        Calls(np.ndarray, 2**64),
    ],
    ids=["wrong type", "unknown dtype", "more memory than there is", "too large a number"],
)
def test_a_pickle_that_misuses_what_is_allowed_is_refused(write_npz: WriteNpz, call: Calls) -> None:
    path = write_npz()
    replace_member(path, "x_train.npy", npy(pickle.dumps(call), OBJECT_HEADER))
    assert "x_train" in refusal(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\x80\x04.",
        pickle.dumps(None),
        pickle.dumps([[1], [2], [3], [4]]),
        pickle.dumps(np.arange(4)),
        b"\x80\x04\x8c\x02\xff\xfe.",
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
        b"\x80\x04NQ.",
    ],
    ids=["empty", "garbage", "nothing", "None", "list", "numbers", "no UTF-8", "endless bytes", "persistent id"],
)
def test_a_pickle_of_something_else_is_refused(write_npz: WriteNpz, content: bytes) -> None:
    path = write_npz()
    replace_member(path, "x_train.npy", npy(content, OBJECT_HEADER))
    refusal(path)


# Keras' cache and the download.


def test_the_cache_is_where_keras_home_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert keras_cache() == tmp_path / "datasets" / "imdb.npz"


def test_the_cache_is_in_the_home_folder_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert keras_cache() == tmp_path / ".keras" / "datasets" / "imdb.npz"


class Server(ThreadingHTTPServer):
    """Answers every request with the same bytes, and counts."""

    content = b"the reviews"
    status = 200
    num_requests = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.num_requests += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setattr(keras_imdb, "DOWNLOAD_URL", f"http://127.0.0.1:{server.server_port}/imdb.npz")
        monkeypatch.setattr(keras_imdb, "DOWNLOAD_SHA256", hashlib.sha256(Server.content).hexdigest())
        yield server
        server.shutdown()
        thread.join()


def test_a_download_is_kept_and_not_repeated(server: Server, tmp_path: Path) -> None:
    path = download(tmp_path)
    assert path == tmp_path / "imdb.npz"
    assert path.read_bytes() == b"the reviews"
    assert download(tmp_path) == path
    assert server.num_requests == 1


def test_a_downloaded_file_that_has_changed_is_fetched_again(server: Server, tmp_path: Path) -> None:
    download(tmp_path).write_bytes(b"something else")
    assert download(tmp_path).read_bytes() == b"the reviews"


def test_a_download_with_another_hash_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    server.content = b"a login page"
    with pytest.raises(SourceError, match="the download from http://127") as caught:
        download(tmp_path)
    assert type(caught.value) is SourceError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, UnavailableSourceError) for status in (408, 429, 500, 503)),
        *((status, SourceError) for status in (403, 404, 410)),
    ],
)
def test_a_server_in_trouble_may_answer_later_and_one_without_the_file_will_not(
    server: Server, tmp_path: Path, status: int, kind: type[SourceError]
) -> None:
    server.status = status
    with pytest.raises(SourceError, match=r"imdb\.npz failed \(HTTPError\)") as caught:
        download(tmp_path)
    assert type(caught.value) is kind
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_no_fault_of_the_server(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=r"failed \((FileExists|NotADirectory)Error\)") as caught:
        download(tmp_path / "file")
    assert type(caught.value) is SourceError


def test_without_a_network_the_address_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(keras_imdb, "DOWNLOAD_URL", f"http://127.0.0.1:{port}/imdb.npz")
    with pytest.raises(UnavailableSourceError, match=rf"127\.0\.0\.1:{port}/imdb\.npz failed \(ConnectionError\)"):
        download(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_real_file_has_25_000_reviews_of_each_split_half_of_them_positive(imdb_reviews: Reviews) -> None:
    for part in (imdb_reviews.train, imdb_reviews.test):
        assert len(part.tokens) == 25_000
        assert part.labels.sum() == 12_500
        assert part.tokens.values.min() == 1
