from switch.domain.clock import Now


def test_the_two_clocks_keep_their_places():
    now = Now(wall_ms=1, boot_ms=2)
    assert (now.wall_ms, now.boot_ms) == (1, 2)
