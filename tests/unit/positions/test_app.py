from workers.positions.app import make_core


def test_the_worker_needs_no_settings() -> None:
    assert make_core(0, 1).behaviour == 2
