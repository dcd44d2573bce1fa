"""Linear algebra of small matrices in one thread."""

from threadpoolctl import ThreadpoolController

from avhcurate.measures.stats.blas import one_thread


def threads():
    return {one.filepath: one.num_threads for one in ThreadpoolController().lib_controllers if one.user_api == "blas"}


def test_all_linear_algebra_has_one_thread_within_the_block_and_its_own_again_after_it():
    with one_thread():
        pass  # every library is loaded now
    before = threads()
    assert before
    ThreadpoolController().limit(limits=2, user_api="blas")
    first = one_thread()
    second = one_thread()
    try:
        for block in (first, second):
            block.__enter__()
            assert set(threads().values()) == {1}
        # As blocks of two threads, which end in any order.
        first.__exit__(None, None, None)
        assert set(threads().values()) == {1}
        second.__exit__(None, None, None)
        assert set(threads().values()) == {2}
    finally:
        for library in ThreadpoolController().lib_controllers:
            if library.filepath in before:
                library.set_num_threads(before[library.filepath])
