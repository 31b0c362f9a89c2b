"""Which tools are on offer where there are more than fit: their ranking, and the list that models read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import call, plan
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from agent.config import set_value
from agent.engine import ScriptedEngine
from agent.errors import InputError
from agent.loop import Agent
from agent.prompting import segments
from agent.sessions import SessionStore, SessionWriter
from agent.setup import make_selection, make_toolbox
from agent.tools import BUILTIN_NAMES, Tool, tool
from agent.tools.selection.bm25 import BM25, terms
from agent.tools.selection.embedding import load_embedding
from agent.tools.selection.ranking import ToolRanking
from agent.tools.selection.selection import MOST, ToolSelection
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    UserTurn,
)

TEXTS = {
    "getWeather": "Weather forecast of a city",
    "book_hotel": "Book a hotel room in a city",
    "play_song": "Play a song by an artist",
    "translate": "Translate a text into another language",
    "send_mail": "Send an email to a person",
    "share_price": "Current price of a share on the stock exchange",
}
ROOMY = ScriptedEngine([])


def spec(name: str, description: str) -> ToolSpec:
    return ToolSpec(name, description, {"type": "object", "properties": {}})


def specs(texts: dict[str, str] = TEXTS) -> list[ToolSpec]:
    return [spec(name, text) for name, text in texts.items()]


def asked(selection: ToolSelection, *questions: str) -> Transcript:
    """The transcript after questions that were answered without a tool, but for the last."""
    transcript = Transcript(selection.pinned)
    for question in questions:
        transcript = selection.offer(transcript.plus(UserTurn(question)), ROOMY)
    return transcript


def called(transcript: Transcript, name: str, *, error: bool = False) -> Transcript:
    turns = PlannerTurn("I call it.", "caller"), CallerTurn((Call(name, {}),))
    return transcript.plus(*turns, ToolTurn(name, "done", error))


def names(transcript: Transcript) -> set[str]:
    return {tool.name for tool in transcript.tools}


def test_terms_are_the_words_of_names_and_texts_without_function_words() -> None:
    assert terms("getWeather for the CITY_name") == ["weathe", "city", "name"]
    assert terms("Übersetze das") == ["überse", "das"]


def test_bm25_weighs_rare_terms_more_and_long_texts_less() -> None:
    index = BM25(["price of gold", "price of silver", "price of gold and of many other metals and stones"])
    assert index.contributions("unknown").shape == (0, 3)
    price, gold = index.contributions("price gold")
    assert gold[0] > price[0] > 0
    assert gold[0] > gold[2] > gold[1] == 0


def test_the_parts_of_a_request_are_served_one_after_another() -> None:
    texts = TEXTS | {f"weather_{at}": "Weather forecast of a city" for at in range(5)}
    ranking = ToolRanking(specs(texts))
    request = "the weather forecast of the city, and play a song"
    assert "play_song" in ranking.rank(request, 2)
    served = [name for name in texts if "eather" in name]
    assert ranking.rank(request, 1, served) == ["play_song"]
    assert ranking.rank("Guten Morgen", 3) == []


def test_an_embedding_finds_what_shares_no_word() -> None:
    def embed(texts: Sequence[str]) -> np.ndarray:
        """Music in the first dimension, all else in the second."""
        musical = [any(word in text for word in ("song", "tune")) for text in texts]
        return np.array([[1.0, 0.0] if music else [0.0, 1.0] for music in musical], np.float32)

    assert ToolRanking(specs()).rank("a merry tune", 1) == []
    assert ToolRanking(specs(), embed).rank("a merry tune", 1) == ["play_song"]


def test_pinned_tools_come_first_and_what_is_picked_later_changes_nothing_before_it() -> None:
    selection = ToolSelection(specs(), pinned=["translate", "send_mail"])
    before = asked(selection, "play a song")
    assert before.picked == ("play_song",)
    after = selection.offer(before.plus(SummarizerTurn("No."), UserTurn("a hotel room")), ROOMY)
    first, second = (next(iter(segments(transcript))).content for transcript in (before, after))
    assert [line.split('"')[3] for line in second.splitlines()][:3] == ["send_mail", "translate", "play_song"]
    assert second.startswith(first)
    assert "book_hotel" in after.picked
    assert names(after.unpicked) == {"translate", "send_mail"}


def test_nothing_changes_where_what_is_needed_is_on_offer() -> None:
    selection = ToolSelection(specs())
    transcript = asked(selection, "play a song")
    assert selection.offer(transcript, ROOMY) is transcript
    failed = called(transcript, "play_song", error=True)
    assert selection.offer(failed, ROOMY) is failed


def test_a_full_list_is_made_anew_with_what_was_called() -> None:
    texts = {f"tool_{at}": f"topic{at:02d} thing" for at in range(2 * MOST)}
    selection = ToolSelection(specs({name: text[:6] + f" word{name}" for name, text in texts.items()}))
    transcript = called(asked(selection, "tool_3 please"), "tool_3")
    for at in range(0, 2 * MOST, 4):
        transcript = transcript.plus(UserTurn(" ".join(f"tool_{at + more}" for more in range(4))))
        transcript = selection.offer(transcript, ROOMY)
        assert len(transcript.picked) <= MOST
        assert "tool_3" in names(transcript)


def test_tools_leave_room_for_the_conversation() -> None:
    long = {name: f"{text} {'many words more ' * 10}" for name, text in TEXTS.items()}
    selection = ToolSelection(specs(long), pinned=["translate"])
    question = Transcript(
        selection.pinned, (UserTurn("hotel in a city, a song, an email, price of a share"),)
    )
    assert len(selection.offer(question, ROOMY).tools) == len(long)
    narrow = selection.offer(question, ScriptedEngine([], context_length=200))
    assert {"translate"} < names(narrow) < set(long)


@tool(may="read")
def stub() -> str:
    """Do nothing."""
    return "done"


def foreign(texts: dict[str, str]) -> list[Tool]:
    return [replace(stub, spec=spec(name, text)) for name, text in texts.items()]


def test_an_agent_offers_what_each_question_needs_among_many(tmp_path: Path) -> None:
    many = foreign({f"tool_{at}": "another thing entirely " * 20 for at in range(300)} | TEXTS)
    toolbox = make_toolbox(tmp_path, [*BUILTIN_NAMES, *many])
    script = [plan("I play it.", "caller"), call("play_song"), plan("It plays.", "summarizer"), "It plays."]
    engine = ScriptedEngine(script, context_length=1000)
    agent = Agent(engine, toolbox, selection=make_selection(engine, toolbox))
    conversation = agent.begin()
    assert names(conversation.transcript) == set(BUILTIN_NAMES)
    list(agent.run(conversation, "play a song by an artist"))
    assert all(set(BUILTIN_NAMES) | {"play_song"} <= names(transcript) for _, transcript in engine.seen)
    assert len(engine.seen) == 4
    assert len(engine.seen[0][1].tools) < 40


def test_the_setting_names_the_pinned_tools(tmp_path: Path, umi_home: Path) -> None:
    many = foreign({f"tool_{at}": "another thing entirely " * 20 for at in range(30)} | TEXTS)
    toolbox = make_toolbox(tmp_path, [*BUILTIN_NAMES, *many])

    def pinned() -> set[str]:
        selection = make_selection(ScriptedEngine([], context_length=1000), toolbox)
        assert selection is not None
        return {tool.name for tool in selection.pinned}

    assert pinned() == set(BUILTIN_NAMES)
    set_value("pinned_tools", "builtin, play_song, not_on_offer")
    assert pinned() == {*BUILTIN_NAMES, "play_song"}
    set_value("pinned_tools", "calculate")
    assert pinned() == {"calculate"}
    set_value("pinned_tools", "")
    assert pinned() == set()
    with pytest.raises(InputError, match="pinned_tools"):
        set_value("pinned_tools", "play song")


@pytest.mark.parametrize("tools", [None, [*BUILTIN_NAMES, *foreign(TEXTS)]])
def test_nothing_is_picked_where_all_tools_fit(tmp_path: Path, tools: Sequence[str | Tool] | None) -> None:
    assert make_selection(ScriptedEngine([]), make_toolbox(tmp_path, tools)) is None


def test_a_session_keeps_what_was_on_offer_and_goes_on_with_what_was_called(
    tmp_path: Path, umi_home: Path
) -> None:
    toolbox = make_toolbox(tmp_path, ["calculate", *foreign(TEXTS)])
    script = [plan("I play it.", "caller"), call("play_song"), plan("It plays.", "summarizer"), "It plays."]
    engine = ScriptedEngine([*script, plan("Good.", "summarizer"), "Good."])
    agent = Agent(engine, toolbox, selection=ToolSelection(toolbox.specs, pinned=["calculate"]))
    with SessionStore.open() as store:
        writer = SessionWriter.begin(store, tmp_path, "umi-mini")
        list(writer.run(agent, agent.begin(), "play a song"))
        (exchange,) = writer.record().exchanges
        assert names(exchange.transcript) == {"calculate", "play_song"}
        conversation = writer.conversation(agent)
        assert names(conversation.transcript) == {"calculate"}
        list(writer.run(agent, conversation, "well done"))
        assert "play_song" in names(engine.seen[-1][1])


def test_vectors_are_read_from_files(tmp_path: Path) -> None:
    save_file({"rows": np.array([[3, 0], [0, 2], [0, 4]], np.float16)}, tmp_path / "rows.safetensors")
    words = Tokenizer(WordLevel({"song": 0, "mail": 1, "letter": 2}))
    words.pre_tokenizer = Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    words.save(str(tmp_path / "words.json"))
    embed = load_embedding(tmp_path / "rows.safetensors", tmp_path / "words.json")
    assert embed(["song", "mail letter", ""]).tolist() == [[1, 0], [0, 1], [0, 0]]
