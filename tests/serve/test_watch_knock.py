"""A knock at the CMS's door: whether it is back, without waiting and without sending anything."""

from __future__ import annotations

import socket
import threading

import pytest

from velobuild.serve.watch_knock import Knock, is_open


def test_an_address_is_open_while_something_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/below"
        assert is_open(url)
        peer, _ = listener.accept()
        assert peer.recv(1) == b"", "nothing is sent"
        peer.close()
    assert not is_open(url)


@pytest.mark.parametrize("url", ["", "http://", "http://nobody.invalid", "http://127.0.0.1:99999"])
def test_what_is_no_address_is_not_open(url: str) -> None:
    assert not is_open(url)


def test_the_answer_comes_by_itself_and_is_given_once() -> None:
    come = threading.Event()
    knock = Knock(come.set)
    assert (knock.take(), knock.under_way) == (None, False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        knock.begin([f"http://127.0.0.1:{listener.getsockname()[1]}"])
        assert come.wait(10)
    assert (knock.take(), knock.take()) == (True, None)


def test_all_of_several_must_be_there() -> None:
    come = threading.Event()
    knock = Knock(come.set)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
        closed.close()
        knock.begin([f"http://127.0.0.1:{listener.getsockname()[1]}", gone])
        assert come.wait(10)
    assert knock.take() is False
