from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.training import runtime
from tasks.training.runtime import device_name, prepare_keras

VARIABLES = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "TF_DETERMINISTIC_OPS": "1",
}


def prepare_with(folder: Path, root: Path, source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Prepare, in a process of its own, a Keras that is this source."""
    (folder / "keras.py").write_text(source, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        [sys.executable, "-c", "from tasks.training.runtime import prepare_keras; prepare_keras()"],
        env={**kept, **environment, "PYTHONPATH": os.pathsep.join([str(folder), str(root)])},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


NOISY = """
import os
os.write(2, b"a library is loading\\n")
class config:
    backend = staticmethod(lambda: "tensorflow")
class distribution:
    list_devices = staticmethod(lambda: os.write(2, b"no GPU here\\n") and ["cpu:0"])
print(*(os.environ[name] for name in %r))
"""


def test_keras_is_imported_quietly_and_with_the_environment(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    done = prepare_with(tmp_path, pytestconfig.rootpath, NOISY % (list(VARIABLES),))
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.split() == list(VARIABLES.values())


def test_a_variable_that_the_user_has_set_wins(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    done = prepare_with(tmp_path, pytestconfig.rootpath, NOISY % (list(VARIABLES),), TF_CPP_MIN_LOG_LEVEL="0")
    assert done.stdout.split()[0] == "0"


def test_what_was_held_back_is_shown_if_the_import_fails(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    source = "import os\nos.write(2, b'a library is missing\\n')\nraise ImportError('no backend')"
    done = prepare_with(tmp_path, pytestconfig.rootpath, source)
    assert done.returncode == 1
    assert done.stderr.startswith("a library is missing\n")
    assert "no backend" in done.stderr


def test_a_keras_that_is_imported_already_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace())
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    prepare_keras()
    assert not VARIABLES.keys() & os.environ.keys()


def fake_keras(backend: str, devices: list[str]) -> SimpleNamespace:
    def list_devices(kind: str | None = None) -> list[str]:
        return [device for device in devices if kind is None or device.startswith(kind)]

    return SimpleNamespace(
        config=SimpleNamespace(backend=lambda: backend), distribution=SimpleNamespace(list_devices=list_devices)
    )


def test_the_first_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", fake_keras("tensorflow", ["gpu:0", "gpu:1"]))
    assert device_name() == "gpu:0 (tensorflow)"


def test_jax_says_what_card_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", fake_keras("jax", []))
    devices = [SimpleNamespace(platform="gpu", id=0, device_kind="a card"), SimpleNamespace(platform="cpu", id=0)]
    monkeypatch.setattr("jax.devices", lambda: devices)
    assert device_name() == "gpu:0 a card (jax)"


def test_without_a_gpu_the_processor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", fake_keras("tensorflow", ["cpu:0"]))
    name = device_name()
    assert name.startswith("cpu: ")
    assert name.endswith(f", {os.cpu_count()} cores (tensorflow)")


@pytest.mark.parametrize(("streams", "cores", "threads"), [(1, 8, None), (2, 8, "4"), (2, 1, "1")])
def test_what_is_computed_side_by_side_shares_the_cores(
    monkeypatch: pytest.MonkeyPatch, streams: int, cores: int, threads: str | None
) -> None:
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(runtime, "accelerators", list)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    prepare_keras(streams)

    assert os.environ.get("TF_NUM_INTRAOP_THREADS") == threads
    assert os.environ.get("TF_NUM_INTEROP_THREADS") == (str(streams) if streams > 1 else None)


def test_what_was_multiplied_is_named_if_it_was_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", fake_keras("tensorflow", ["gpu:0"]))
    assert device_name("bfloat16") == "gpu:0 (tensorflow, bfloat16 products)"
    assert device_name("float32") == "gpu:0 (tensorflow)"
