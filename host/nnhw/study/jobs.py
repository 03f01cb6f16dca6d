"""Independent jobs: one after the other, in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from nnhw_codegen.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOK = 1.0  # seconds between two looks at whether the parent still is
_WAVE = 2  # jobs per worker between two times that a cluster's results come back


class StudyError(InputError):
    """The study cannot run or go on; the message says why and what to do."""


def _start_worker(parent: int) -> None:
    """In a process of its own: it does not outlive its parent."""
    threading.Thread(target=_end_without, args=(parent,), daemon=True).start()


def _end_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that start here never hear Ctrl-C, not even while they start; this one hears it at the end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_processes(job: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """As ``outcomes`` on this machine. Workers are killed when it is broken off, without a word of loky's."""
    from multiprocessing import resource_tracker as standard_tracker

    import joblib
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.backend import resource_tracker

    for tracker in (resource_tracker, standard_tracker):  # which unblock signals when they start
        tracker.ensure_running()
    faults: list[threading.ExceptHookArgs] = []
    tell, threading.excepthook = threading.excepthook, faults.append
    try:
        with _deaf_to_interrupts():
            results = joblib.Parallel(
                n_jobs=jobs,
                batch_size=1,
                pre_dispatch="all",
                return_as="generator_unordered",
                backend="loky",
                initializer=_start_worker,
                initargs=(os.getpid(),),
            )(joblib.delayed(job)(item) for item in items)
        yield from results
    except BaseException as error:
        get_reusable_executor().shutdown(kill_workers=True)
        if not isinstance(error, Exception):  # loky's thread does not find its workers any more
            faults.clear()
        raise
    finally:
        threading.excepthook = tell
        for fault in faults:
            tell(fault)


def outcomes(
    job: Callable[[Item], Result], items: Sequence[Item], jobs: int = 1, scheduler: str | None = None
) -> Iterator[Result]:
    """``job(item)`` of every item, as they get done, by ``jobs`` processes or by the workers of a Dask ``scheduler``.

    ``job`` must be a function of a module, and return something that tells its item. Raises StudyError where joblib,
    Dask or the scheduler is missing.
    """
    if scheduler is None and jobs == 1:
        yield from map(job, items)
        return
    try:
        import joblib
    except ImportError:
        raise StudyError("several jobs need joblib: pip install 'nnhw[study]', or use one job") from None
    if scheduler is None:
        yield from _in_processes(job, items, jobs)
        return
    try:
        from distributed import Client
    except ImportError:
        raise StudyError("a scheduler needs Dask: pip install 'nnhw[study,cluster]'") from None
    try:
        client: Any = Client(scheduler, timeout="10s")  # type: ignore[no-untyped-call, unused-ignore]
    except (OSError, ValueError) as error:
        raise StudyError(
            f"no Dask scheduler answers at {scheduler} ({error}); start one with: dask scheduler"
        ) from None
    # joblib's Dask backend returns whole calls only, so the jobs go out in waves.
    with client, joblib.parallel_config(backend="dask", wait_for_workers_timeout=30):
        wave = _WAVE * max(1, sum(client.ncores().values()))
        for start in range(0, len(items), wave):
            yield from joblib.Parallel(batch_size=1)(
                joblib.delayed(job)(item) for item in items[start : start + wave]
            )
