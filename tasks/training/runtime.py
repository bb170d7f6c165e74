"""The machine under the training: importing Keras quietly, seeds, and which device computes.

Everything that is particular to a backend is set through the environment, before Keras is imported, so that models and
training loop name no backend.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ENVIRONMENT = {
    # Only errors of TensorFlow's runtime; that there is no GPU is said by `device_name`.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # A GPU is shared: take memory as it is needed.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    # Asks a GPU's kernels to repeat themselves, as a processor's do.
    "TF_DETERMINISTIC_OPS": "1",
}


def prepare_keras(streams: int = 1) -> None:
    """Import Keras with this project's environment; a variable that the user has set wins.

    Args:
        streams: How many equal parts of a model can be computed side by side, each best on cores of its own. With one,
            TensorFlow divides each operation among all cores.
    """
    if "keras" in sys.modules:
        return
    for name, value in {**_ENVIRONMENT, **_threads(streams)}.items():
        os.environ.setdefault(name, value)
    # It warns of retracing, which several models of one process and batches of several widths make inevitable.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _native_stderr_held_back():
        accelerators()


def device_name(products: str = "float32") -> str:
    """What trains, for the record: the first GPU as Keras names it, or the processor; and if it rounds, to what."""
    import keras

    how = keras.config.backend() + (f", {products} products" if products != "float32" else "")
    if found := accelerators():
        return f"{found[0]} ({how})"
    return f"cpu: {processor_name()}, {os.cpu_count()} cores ({how})"


def _threads(streams: int) -> dict[str, str]:
    if streams == 1:
        return {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"TF_NUM_INTEROP_THREADS": str(streams), "TF_NUM_INTRAOP_THREADS": str(max(1, cores // streams))}


def accelerators() -> list[str]:
    """GPUs and TPUs as the backend names them. Asking makes it load its native libraries."""
    import keras

    if keras.config.backend() == "torch":
        import torch

        return [f"gpu:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    if keras.config.backend() == "jax":
        import jax

        return [f"{one.platform}:{one.id} {one.device_kind}" for one in jax.devices() if one.platform != "cpu"]
    # Without a type, Keras lists accelerators if there are any, and processors otherwise.
    return [device for device in keras.distribution.list_devices() if not device.startswith("cpu")]


def processor_name() -> str:
    """The processor as the operating system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@contextmanager
def _native_stderr_held_back() -> Iterator[None]:
    """Hold back what C++ libraries write while they load; if loading fails, it is shown after all."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
