"""The outbox page: one message per episode, and one line for what nobody was told."""

from __future__ import annotations

from typing import Any

from server.demo_views import messages


def an_alert(name: str, state: str = "sent", *, episode: str = "x", why: str = "") -> dict[str, Any]:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": f"message {name}"}}
    return {
        "id": name,
        "rule": "r",
        "visitor": "v",
        "state": state,
        "why": why or f"did {name}",
        "happened": f"did {name}",
        "at": f"at {name}",
        "sent_at": None if why else f"sent {name}",
        "channel": "#hot",
        "episode": episode,
        "message": {"text": f"text {name}", "blocks": [section]},
        "reply": {"blocks": [{**section, "text": {"type": "mrkdwn", "text": f"reply {name}"}}]},
    }


def texts(blocks: list[dict[str, Any]]) -> list[str]:
    return [block["text"]["text"] for block in blocks]


def test_an_episode_is_one_message_as_it_is_now_with_a_thread() -> None:
    newest_first = [an_alert("3", "updated"), an_alert("2", "updated"), an_alert("1")]
    (message,) = messages([*newest_first])
    assert (message["id"], message["state"], message["channel"]) == ("3", "updated", "hot")
    assert texts(message["blocks"]) == ["message 3"]
    assert [texts(reply["blocks"]) for reply in message["thread"]] == [["reply 2"], ["reply 3"]]


def test_what_nobody_was_told_is_a_line_of_its_own_with_why() -> None:
    held, sent, other = messages(
        [an_alert("2", "held", why="snoozed (U1)"), an_alert("1"), an_alert("0", episode="y")]
    )
    assert (held["state"], held["why"], texts(held["blocks"])) == ("held", "snoozed", ["text 2"])
    assert (texts(sent["blocks"]), texts(other["blocks"])) == (["message 1"], ["message 0"])
